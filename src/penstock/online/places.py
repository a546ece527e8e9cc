"""Where the files of instances lie."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from penstock.domain.instance import InstanceName
from penstock.telemetry.layout import records_folder

CONTRACTS_FILE = "contracts.json"
SHARED_REPORT = "report.json"  # in the folder that a container may write to
SHARED_MEASURES = "sums"


@dataclass(frozen=True, kw_only=True)
class Places:
    run: Path  # sockets and reports; short
    logs: Path
    collected: Path

    def socket(self, name: InstanceName) -> Path:
        return self.run / f"{_short(name)}.sock"

    def member_sockets(self, name: InstanceName) -> Iterable[Path]:
        """Those of the processes of an instance that has several."""
        return list(self.run.glob(f"{self.socket(name).name}.*"))

    def report(self, name: InstanceName) -> Path:
        return self.run / f"{_short(name)}.json"

    def whereabouts(self, name: InstanceName) -> Path:
        return self.run / f"{_short(name)}.where"

    def inflight(self, endpoint: str, deployment: str) -> Path:
        """What the instances of a deployment work on; the gateway looks for it by this name too."""
        return self.run / f"{endpoint}.{deployment}.inflight"

    def measures(self, name: InstanceName) -> Path:
        """Where the instance's processes write what they do, if they are no container's."""
        return self.run / f"{_short(name)}.sums"

    def shared(self, name: InstanceName) -> Path:
        """Folder that a container may write to; nothing in it is to be trusted."""
        return self.run / f"{_short(name)}.shared"

    def shared_report(self, name: InstanceName) -> Path:
        """The report of a worker in a container. Its pid is the one inside."""
        return self.shared(name) / SHARED_REPORT

    def shared_measures(self, name: InstanceName) -> Path:
        """The same of a worker in a container."""
        return self.shared(name) / SHARED_MEASURES

    def contracts(self, endpoint: str, deployment: str) -> Path:
        """The file with the contracts of a deployment, in a folder of its own, which containers see."""
        return self.run / f"{_short(f'{endpoint}/{deployment}')}.contracts" / CONTRACTS_FILE

    def contract_folders(self) -> Iterable[Path]:
        """The folders of such files that there are."""
        return list(self.run.glob("*.contracts"))

    def log(self, name: InstanceName) -> Path:
        return self.log_folder(name.endpoint, name.deployment) / f"{name.revision}.{name.ordinal}.log"

    def collected_folder(self, name: InstanceName) -> Path:
        """Where the deployment's instances put the records that they collect."""
        return records_folder(self.collected, name.endpoint, name.deployment)

    def log_folder(self, endpoint: str, deployment: str) -> Path:
        return self.logs / endpoint / deployment


def _short(name: InstanceName | str) -> str:
    """Sixteen hex digits for a name, because paths of unix sockets are short."""
    return hashlib.sha256(str(name).encode()).hexdigest()[:16]

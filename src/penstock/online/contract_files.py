"""The files by which instances learn of the contracts that hold for them. They look again by themselves."""

import json
import shutil
import threading

from penstock import durable
from penstock.control.resources import Resources
from penstock.domain.contract import CONTRACT
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.online.places import Places


class ContractFiles:
    def __init__(self, resources: Resources, places: Places) -> None:
        self._resources = resources
        self._places = places
        self._lock = threading.Lock()  # so that what was read last is written last

    def deliver(self, endpoint: str, deployment: str) -> None:
        """Have the deployment's instances, also those yet to start, keep the contracts that there are now."""
        path = self._places.contracts(endpoint, deployment)
        with self._lock:
            contracts = [
                contract.spec.document()
                for contract in self._resources.list(CONTRACT)
                if contract.deleting_since is None and contract.spec.holds_for(endpoint, deployment)
            ]
            if not contracts:
                path.unlink(missing_ok=True)
                return
            content = json.dumps({"contracts": contracts}).encode()
            if not path.exists() or path.read_bytes() != content:
                # Readable by whatever user a container runs as; the folder that it lies in keeps everybody else out.
                path.parent.mkdir(mode=0o755, exist_ok=True)
                durable.replace(path, content)
                path.chmod(0o644)

    def deliver_all(self) -> None:
        """The same for all deployments, as a contract may have been taken from any; files of those gone are dropped."""
        names = [deployment.name.split("/") for deployment in self._resources.list(ONLINE_DEPLOYMENT)]
        for endpoint, deployment in names:
            self.deliver(endpoint, deployment)
        known = {self._places.contracts(endpoint, deployment).parent for endpoint, deployment in names}
        for folder in self._places.contract_folders():
            if folder not in known:
                shutil.rmtree(folder, ignore_errors=True)

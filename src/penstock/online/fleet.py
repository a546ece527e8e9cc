"""The instances of all deployments as engine, reports, probes and gateway see them, and the effects on them."""

import logging
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from penstock.control.clock import Clock
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errors import PenstockError
from penstock.domain.instance import Instance, InstanceName, Phase, parse_instance_name
from penstock.engines.base import Engine, Process, ProcessSpec
from penstock.gateway.base import Gateway, ServerState
from penstock.online import whereabouts
from penstock.online.contract_files import ContractFiles
from penstock.online.instances import restart_pause
from penstock.online.places import Places
from penstock.online.probes import Prober, Target
from penstock.online.whereabouts import Whereabouts
from penstock_worker import contract

log = logging.getLogger(__name__)

_STOP_GRACE = timedelta(seconds=10)
_LONG_LIVED = timedelta(seconds=60)  # an instance that lived this long starts counting its crashes anew


@dataclass(frozen=True, kw_only=True)
class Crash:
    """An unwanted end of an instance. `count` is how many it has had in a row; `failure` why it could not load, empty
    if it had."""

    pid: int
    at: datetime
    count: int
    failure: str = ""


class Fleet:
    """Knows and changes instances. What cannot be found out again (who drains, who crashed) is kept in memory only:
    a control plane that starts anew decides anew."""

    def __init__(
        self,
        engine: Engine,
        gateway: Gateway,
        prober: Prober,
        places: Places,
        clock: Clock,
        contracts: ContractFiles,
    ) -> None:
        self._engine = engine
        self._gateway = gateway
        self._prober = prober
        self.places = places
        self._clock = clock
        self._contracts = contracts
        self._lock = threading.RLock()
        self._draining: dict[str, datetime] = {}
        self._stopping: set[str] = set()
        self._crashes: dict[str, Crash] = {}
        self._states: Mapping[str, ServerState] = {}

    def instances(self, endpoint: str = "", deployment: str = "") -> Sequence[Instance]:
        """Instances of a deployment, or of all, by name."""
        self._observe_gateway()
        found: list[Instance] = []
        for process in self._engine.inspect():
            name = parse_instance_name(process.name)
            if name is not None and (not endpoint or (name.endpoint, name.deployment) == (endpoint, deployment)):
                found.append(self._instance(name, process))
        return sorted(found, key=lambda i: i.name)

    def start(self, name: InstanceName, spec: ProcessSpec, settings: OnlineDeployment) -> None:
        """Start the process, with the contracts of its deployment; probes begin with it."""
        self._contracts.deliver(name.endpoint, name.deployment)
        with self._lock:
            self._draining.pop(str(name), None)
            self._stopping.discard(str(name))
        self.places.report(name).unlink(missing_ok=True)
        self.places.measures(name).unlink(missing_ok=True)
        if spec.container is not None:
            _make_shared(self.places.shared(name))
        spec.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        process = self._engine.start(spec)
        self.probe(name, process, settings)
        log.info("instance started", extra={"instance": str(name), "pid": process.pid})

    def probe(self, name: InstanceName, process: Process | Instance, settings: OnlineDeployment) -> None:
        """Have the instance probed; needed again for those that an earlier control plane started."""
        where = self._whereabouts(name)
        self._prober.watch(
            Target(
                name=str(name),
                identity=_identity(process),
                liveness_at=where.liveness,
                readiness_at=where.readiness,
                liveness=settings.liveness_probe,
                readiness=settings.readiness_probe,
            )
        )

    def drain(self, name: InstanceName) -> None:
        with self._lock:
            self._draining.setdefault(str(name), self._clock.now())

    def stop(self, name: InstanceName) -> None:
        """End the instance for good; call again until it is gone."""
        with self._lock:
            self._stopping.add(str(name))
        self._engine.stop(str(name), _STOP_GRACE)

    def kill(self, name: InstanceName) -> None:
        """End an instance that does not answer; it counts as crashed and is started again."""
        self._engine.stop(str(name), timedelta(0))

    def forget(self, name: InstanceName) -> None:
        """Drop what is kept of an ended instance, but for its log."""
        self._engine.forget(str(name))
        self._prober.forget(str(name))
        for place in (self.places.socket, self.places.report, self.places.whereabouts, self.places.measures):
            place(name).unlink(missing_ok=True)
        for file in self.places.member_sockets(name):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.places.shared(name), ignore_errors=True)
        with self._lock:
            self._draining.pop(str(name), None)
            self._stopping.discard(str(name))

    def stopping(self, name: InstanceName) -> bool:
        """True if the end of this instance is wanted."""
        with self._lock:
            return str(name) in self._stopping or str(name) in self._draining

    def crash(self, instance: Instance, why: str) -> Crash | None:
        """Note that an instance has ended unwanted; the crash if this end is news, else None."""
        report = self.report(instance)
        failure = "" if report is not None and report.phase == contract.READY else why
        with self._lock:
            known = self._crashes.get(str(instance.name))
            if known is not None and known.pid == instance.pid:
                return None
            now = self._clock.now()
            again = known is not None and now - instance.started_at < _LONG_LIVED
            count = known.count + 1 if known and again else 1
            crash = Crash(pid=instance.pid, at=now, count=count, failure=failure)
            self._crashes[str(instance.name)] = crash
            return crash

    def forgive(self, name: InstanceName) -> None:
        """Drop the crashes of an instance, so that it may be started at once."""
        with self._lock:
            self._crashes.pop(str(name), None)

    def forgive_all(self, endpoint: str, deployment: str) -> None:
        """Drop the crashes of all instances of a deployment that runs none: the next start is a first one."""
        with self._lock:
            for name in [n for n in self._crashes if n.startswith(f"{endpoint}.{deployment}.")]:
                del self._crashes[name]

    def report(self, instance: Instance) -> contract.Report | None:
        """What the instance's process has said of its start, if it was this very process."""
        return self._report(instance.name, instance.pid)

    def address(self, name: InstanceName) -> str:
        """Where the instance takes requests: path of a unix socket, or 127.0.0.1:PORT."""
        return self._whereabouts(name).address

    def _instance(self, name: InstanceName, process: Process) -> Instance:
        with self._lock:
            draining_since = self._draining.get(str(name))
            crash = self._crashes.get(str(name))
        restart_at = crash.at + restart_pause(crash.count) if crash and crash.pid == process.pid else None
        loaded = process.running and self._loaded(name, process)
        live, ready = self._prober.outcome(str(name)) if process.running else (True, False)
        state = self._states.get(str(name))
        return Instance(
            name=name,
            phase=self._phase(name, process, loaded=loaded, ready=ready and (state is None or state.up)),
            listening=ready and loaded,
            started_at=process.started_at,
            pid=process.pid,
            exit_code=process.exit_code,
            live=live,
            active=_active(state, draining=draining_since is not None),
            batch_requests=self._batch_requests(name, process),
            draining_since=draining_since,
            restart_at=restart_at,
            failure=crash.failure if crash is not None and not loaded else "",
        )

    def _phase(self, name: InstanceName, process: Process, *, loaded: bool, ready: bool) -> Phase:
        if not process.running:
            return Phase.EXITED
        if not loaded:
            return Phase.STARTING
        return Phase.READY if ready and str(name) in self._states else Phase.UNREADY

    def _batch_requests(self, name: InstanceName, process: Process) -> int:
        report = self._report(name, process.pid) if process.running else None
        return report.batch_requests if report is not None else 0

    def _loaded(self, name: InstanceName, process: Process) -> bool:
        report = self._report(name, process.pid)
        if report is not None and report.phase == contract.READY:
            return True
        if not (self._whereabouts(name).in_container and self._prober.answered(str(name), _identity(process))):
            return False
        # A server of the user's own says that it is ready by its readiness route alone. It is noted, so that the next
        # control plane need not wait for the first probe.
        seconds = max(0.0, (self._clock.now() - process.started_at).total_seconds())
        noted = contract.Report(contract.READY, process.pid, load_seconds=seconds)
        contract.write_report(self.places.report(name), noted)
        return True

    def _report(self, name: InstanceName, pid: int) -> contract.Report | None:
        report = contract.read_report(self.places.report(name))
        if report is not None:
            return report if report.pid == pid else None
        return contract.read_report(self.places.shared_report(name))

    def _whereabouts(self, name: InstanceName) -> Whereabouts:
        return whereabouts.noted(self.places.whereabouts(name)) or whereabouts.of_process(self.places.socket(name))

    def _observe_gateway(self) -> None:
        try:
            self._states = self._gateway.observe()
        except PenstockError as err:
            # The gateway is being restarted: what it said last still decides, so that nothing is replaced for it.
            log.warning("gateway cannot be observed", extra={"error": err.message})


def _active(state: ServerState | None, *, draining: bool) -> int:
    if state is None:
        return 0
    return state.active if state.draining or not draining else max(1, state.active)


def _identity(process: Process | Instance) -> tuple[int, float]:
    return process.pid, process.started_at.timestamp()


def _make_shared(folder: Path) -> None:
    """An empty folder for whatever user a container runs as; the folder that it lies in keeps everybody else out."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o777)

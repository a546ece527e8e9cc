"""The online layer on fakes: engine, gateway and environments in memory, a store and artifacts in a folder."""

import hashlib
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from penstock.artifacts.files import FileArtifacts
from penstock.control.resources import Resources
from penstock.domain.artifact import Entry, Tree
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import unavailable
from penstock.domain.fields import parse
from penstock.domain.instance import parse_instance_name
from penstock.domain.resource import Key
from penstock.environments.base import BuiltEnvironment
from penstock.online.assembly import Assembly
from penstock.online.contract_files import ContractFiles
from penstock.online.counts import Counts
from penstock.online.deployment_reconciler import DeploymentReconciler
from penstock.online.deployments import Deployments
from penstock.online.fleet import Fleet
from penstock.online.places import Places
from penstock.online.probes import Prober
from penstock.online.room import Machine
from penstock.online.routing import Routing
from penstock.preparation.background import Background
from penstock.preparation.container_images import ContainerImages
from penstock.preparation.defaults import Defaults
from penstock.preparation.models import Models
from penstock.preparation.preparation import Preparation
from penstock.registry.known import KnownVersions
from penstock.store.sql import open_store
from penstock.testing.clock import ManualClock
from penstock.testing.engine import FakeEngine
from penstock.testing.environments import FakeEnvironments
from penstock.testing.gateway import FakeGateway
from penstock.testing.registry import FakeRegistry
from penstock_worker import contract

NAME = "fraud/blue"


def no_tool() -> NoReturn:
    raise unavailable("containers cannot run on this machine")


class Bench:
    """Deployment `fraud/blue` on a workbench. `settle` reconciles until nothing changes any more."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.engine = FakeEngine(self.clock.now)
        self.gateway = FakeGateway()
        self.gateway.start()
        self.environments = FakeEnvironments(folder / "environments", self.clock)
        self.registry = FakeRegistry()
        self.artifacts = FileArtifacts(folder / "artifacts")
        self.store = open_store(f"sqlite:///{folder / 'store.db'}")
        self.folder = folder
        self.machine = Machine(memory_bytes=64 * 2**30, available_bytes=64 * 2**30, cores=64)
        self.resources = Resources(self.store, self.clock, lambda _: None)
        self.resources.apply(ONLINE_ENDPOINT, "fraud", OnlineEndpoint(name="fraud"), actor="test")
        self.start_control_plane()

    def start_control_plane(self) -> None:
        """All that a process has in memory, made anew."""
        (self.folder / "run").mkdir(exist_ok=True)
        places = Places(run=self.folder / "run", logs=self.folder / "logs", collected=self.folder / "collected")
        contracts = ContractFiles(self.resources, places)
        self.fleet = Fleet(self.engine, self.gateway, Prober(lambda _: None), places, self.clock, contracts)
        self.builds: Background[BuiltEnvironment] = Background("build")
        self.models = Models(self.registry, self.registry, self.artifacts, KnownVersions(self.folder / "registry"))
        images = ContainerImages(no_tool, no_tool, self.artifacts, self.folder / "contexts", self.environments.log)
        self.preparation = Preparation(self.resources, self.models, self.artifacts, self.environments, images)
        self.deployments = Deployments(self.resources, self.preparation, self.clock)
        defaults = Defaults(base_environment={}, memory_bytes=2**30, max_body_bytes=2**20, log_bytes=2**20)
        self.assembly = Assembly(
            self.preparation, self.environments, self.builds, self.folder / "apps", self.fleet.places, defaults
        )
        routing = Routing(self.resources, self.fleet, self.gateway)
        counts = Counts(self.resources, self.fleet, lambda: self.machine)
        self.reconciler = DeploymentReconciler(self.resources, self.assembly, self.fleet, routing, self.clock, counts)

    def restart(self) -> None:
        """kill -9 of the control plane, and its next start."""
        self.engine = self.engine.restarted()
        self.start_control_plane()

    def close(self) -> None:
        self.builds.close()
        self.models.close()
        self.store.close()

    def apply(self, script: str = "one", **fields: Any) -> None:
        """Deploy a scoring script; another text makes another revision."""
        spec = {"code_configuration": {"code": self.upload(script), "scoring_script": "score.py"}, **fields}
        self.deployments.apply("fraud", "blue", parse(OnlineDeployment, spec, "test"), actor="test")

    def step(self, times: int = 1) -> timedelta | None:
        again = None
        for _ in range(times):
            again = self.reconciler.reconcile(Key(ONLINE_DEPLOYMENT.name, NAME))
            self.clock.advance(timedelta(milliseconds=100))
            time.sleep(0)  # lets a build's thread end
        return again

    def settle(self) -> None:
        for _ in range(300):
            self.load_all()
            again = self.step()
            if again is None or again >= timedelta(seconds=1):
                return
        raise AssertionError(f"does not settle: {self.conditions()}")

    def load_all(self) -> None:
        """Every starting instance finishes loading, but for those that a test has told otherwise."""
        for process in self.engine.inspect():
            if process.running and not self.report_path(process.name).exists():
                self.report(process.name, phase=contract.READY)

    def report(self, name: str, **facts: Any) -> None:
        process = next(p for p in self.engine.inspect() if p.name == name)
        contract.write_report(self.report_path(name), contract.Report(pid=process.pid, **facts))

    def report_path(self, name: str) -> Path:
        instance = parse_instance_name(name)
        assert instance is not None
        return self.fleet.places.report(instance)

    def running(self) -> list[str]:
        return sorted(p.name for p in self.engine.inspect() if p.running)

    def shown(self) -> Any:
        return self.resources.get(ONLINE_DEPLOYMENT, NAME)

    def conditions(self) -> dict[str, tuple[str, str]]:
        return {c.name: (c.truth.value, c.reason) for c in self.shown().status.conditions}

    def routed(self) -> list[str]:
        """Servers that get new requests."""
        return [s.name for b in self.gateway.table.backends for s in b.servers if not s.draining]

    def upload(self, script: str) -> str:
        """The reference of an uploaded code folder."""
        content = script.encode()
        digest = hashlib.sha256(content).hexdigest()
        self.artifacts.put_blob(digest, [content])
        tree = Tree(entries=(Entry(path="code/score.py", sha256=digest, size=len(content)),))
        return f"artifact:{self.artifacts.put_tree(tree)}/code"

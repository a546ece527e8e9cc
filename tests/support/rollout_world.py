"""An endpoint, two deployments and a rollout between them, over a real store and recorded measurements."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from penstock.control.resources import Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.fields import parse
from penstock.domain.golden import GoldenRequest, GoldenResult
from penstock.domain.resource import Condition, Truth
from penstock.domain.rollout import ROLLOUT, Rollout, RolloutStatus
from penstock.domain.shadow import ShadowReport, Side
from penstock.gateway.base import Applied
from penstock.online.exposition import Exposition
from penstock.online.rollout_looks import Looks
from penstock.online.rollout_reconciler import RolloutReconciler
from penstock.online.rollout_stages import Stages
from penstock.online.rollouts import Rollouts
from penstock.store.sql import open_store
from penstock.telemetry.series import Window
from penstock.testing.clock import ManualClock
from penstock.testing.tapes import RecordedTapes
from penstock.testing.windows import RecordedWindows

SECOND = timedelta(seconds=1)


class Killed(BaseException):
    """The control plane ends here."""


class Routing:
    """Notes how often the gateway was given the table."""

    def __init__(self) -> None:
        self.applied = 0

    def apply(self) -> Applied:
        self.applied += 1
        return Applied()


class Answers:
    """Golden checks and shadow reports as the test says."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.passes = True
        self.agreement = 1.0

    def check(self, endpoint: str, deployment: str, requests: Sequence[GoldenRequest]) -> GoldenResult:
        return GoldenResult(endpoint=endpoint, deployment=deployment, requests=len(requests), seconds=0.1)

    def report(self, endpoint: str, live: str, shadow: str, since: datetime) -> ShadowReport:
        return ShadowReport(
            endpoint=endpoint,
            since=since,
            until=self._clock.now(),
            compared_seconds=60,
            share=1,
            tolerance=0,
            live=Side(deployment=live),
            shadow=Side(deployment=shadow),
            pairs=200,
            rows=200,
            agreed=round(200 * self.agreement),
        )


class World:
    """Endpoint `fraud` with blue (all traffic) and green. `failing` is the share of green's requests that fail."""

    def __init__(self, store: Any) -> None:
        self.clock = ManualClock()
        self.store = store
        self.windows = RecordedWindows()
        self.routing = Routing()
        self.answers = Answers(self.clock)
        self.failing = 0.0
        self.page = Exposition()
        self.rate = 200
        self.resources = Resources(self.store, self.clock, lambda _: None)
        self.rollouts = Rollouts(self.resources)
        self.resources.apply(ONLINE_ENDPOINT, "fraud", OnlineEndpoint(name="fraud", traffic={"blue": 100}), actor="ann")
        for name in ("blue", "green"):
            self.deploy(name)
        self.restart()

    def deploy(self, name: str, *, ready: bool = True) -> None:
        spec = parse(OnlineDeployment, {"model": "azureml:m:1"}, name)
        made, _ = self.resources.apply(ONLINE_DEPLOYMENT, f"fraud/{name}", spec, actor="ann")
        condition = Condition(
            name="Ready", truth=Truth.TRUE if ready else Truth.UNKNOWN, reason="R", message="m", since=self.clock.now()
        )
        status = made.status.model_copy(
            update={"observed_generation": made.generation, "conditions": (condition,), "revision": "r1"}
        )
        self.resources.set_status(ONLINE_DEPLOYMENT, made, status)

    def restart(self) -> None:
        """A control plane that knows nothing but the store."""
        looks = Looks(self.windows, RecordedTapes(self.clock.now), lambda: self.page)
        stages = Stages(self.answers, self.answers)
        self.reconciler = RolloutReconciler(self.resources, self.routing, looks, stages, self.clock)  # type: ignore[arg-type]

    def start(self, **fields: Any) -> None:
        plan = {
            "to": "green",
            "steps": [10, 50, 100],
            "bake_time": "20s",
            "minimum_requests": 100,
            "guards": {"predictions": None, "latency": None},
            **fields,
        }
        self.rollouts.start("fraud", "green", parse(Rollout, plan, "r"), actor="ann")

    @property
    def status(self) -> RolloutStatus:
        return self.resources.get(ROLLOUT, "fraud/green").status

    @property
    def traffic(self) -> dict[str, int]:
        return {n: p for n, p in self.resources.get(ONLINE_ENDPOINT, "fraud").spec.traffic.items() if p}

    @property
    def mirror(self) -> dict[str, int]:
        return {n: p for n, p in self.resources.get(ONLINE_ENDPOINT, "fraud").spec.mirror_traffic.items() if p}

    def second(self) -> None:
        """Requests are answered for a second as the traffic says, and the rollout is looked at."""
        start = self.clock.now()
        self.clock.advance(SECOND)
        for name, percent in self.traffic.items():
            requests = self.rate * percent // 100
            failed = round(requests * self.failing) if name == "green" else 0
            window = Window(start=start, end=self.clock.now(), seconds=1.0, requests=requests, failed=failed)
            self.windows.put(f"fraud/{name}", window)
        self.reconcile()

    def reconcile(self) -> None:
        key = self.resources.get(ROLLOUT, "fraud/green").key
        for _ in range(12):
            again = self.reconciler.reconcile(key)
            if again is None or again > timedelta(milliseconds=100):
                return

    def run(self, until: Callable[[], bool], seconds: int = 300) -> None:
        for _ in range(seconds):
            if until():
                return
            self.second()
        raise AssertionError(f"it does not come to that: {self.status}, {self.traffic}")

    def over(self) -> bool:
        return self.status.settled


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    try:
        yield World(store)
    finally:
        store.close()

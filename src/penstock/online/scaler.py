"""Carries out what autoscales decide: every two seconds it writes how many instances each of their deployments has.

What is decided is in `autoscale.py`; the deployment's controller obeys the `scale` that is written here.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock.control.clock import Clock
from penstock.control.loop import STOP, Loop
from penstock.control.resources import PLATFORM, Resources
from penstock.domain.autoscale import AUTOSCALE, Autoscale, AutoscaleStatus, Memory
from penstock.domain.autoscale_rule import Trigger
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.errors import Code, PenstockError
from penstock.domain.instance import Phase
from penstock.domain.resource import Key, Resource, Status
from penstock.domain.scale import SCALE, Scale
from penstock.gateway.base import Gateway
from penstock.online.autoscale import Decision, decide
from penstock.online.fleet import Fleet
from penstock.online.ownership import user_of
from penstock.online.readings import Instances, Readings, WindowReadings
from penstock.telemetry.series import Windows

log = logging.getLogger(__name__)

_TICK = timedelta(seconds=2)
_AFRESH = timedelta(seconds=30)  # until a reason that is the same but for its numbers is written again

Deployment = Resource[OnlineDeployment, OnlineDeploymentStatus]
ScaleRow = Resource[Scale, Status]
AutoscaleRow = Resource[Autoscale, AutoscaleStatus]


class Scaler:
    """Acts while `acting()`. One that cannot be decided, for whatever reason, keeps none of the others waiting."""

    def __init__(
        self,
        resources: Resources,
        fleet: Fleet,
        gateway: Gateway,
        windows: Windows,
        clock: Clock,
        acting: Callable[[], bool],
    ) -> None:
        self._resources = resources
        self._fleet = fleet
        self._gateway = gateway
        self._windows = windows
        self._clock = clock
        self._acting = acting
        self._memories: dict[str, Memory] = {}  # by uid; the status has what must outlive us
        self._loop = Loop("scaler", self.step, _TICK)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """False if the thread did not end in time."""
        return self._loop.stop(timeout)

    def step(self) -> timedelta:
        """Decide for each autoscale, and give deployments without one back to their authors."""
        if not self._acting():
            self._memories.clear()
            return _TICK
        autoscales = {a.name: a for a in self._resources.list(AUTOSCALE) if a.deleting_since is None}
        scales = {s.name: s for s in self._resources.list(SCALE)}
        for name, scale in scales.items():
            if name not in autoscales or not autoscales[name].spec.enabled:
                self._release(scale)
        held: Mapping[str, int] = self._held() if autoscales else {}
        for name, autoscale in autoscales.items():
            if autoscale.spec.enabled:
                self._try(autoscale, scales.get(name), held.get(name, 0))
        self._memories = {a.uid: self._memories[a.uid] for a in autoscales.values() if a.uid in self._memories}
        return _TICK

    def _release(self, scale: ScaleRow) -> None:
        self._resources.remove(SCALE, scale)
        self._look_at(scale.name)

    def _held(self) -> Mapping[str, int]:
        try:
            return self._gateway.held()
        except PenstockError as err:
            log.warning("gateway does not tell who is held", extra={"error": err.message})
            return {}

    def _try(self, autoscale: AutoscaleRow, scale: ScaleRow | None, held: int) -> None:
        try:
            self._decide(autoscale, scale, held)
        except Exception:
            # Whatever is wrong with this one, the others need their instances; it is tried again in two seconds.
            log.exception("autoscale could not be decided", extra={"autoscale": autoscale.name})

    def _decide(self, autoscale: AutoscaleRow, scale: ScaleRow | None, held: int) -> None:
        name, now = autoscale.name, self._clock.now()
        deployment = self._resources.find(ONLINE_DEPLOYMENT, name)
        if deployment is None or deployment.deleting_since is not None:
            return
        wanted = scale.spec.instances if scale is not None else deployment.spec.instance_count
        memory = self._memories.get(autoscale.uid, autoscale.status.memory)
        readings = LiveReadings(
            measured=self._readings(deployment, wanted, now),
            held=held,
            unchanged_for=now - scale.updated_at if scale is not None else timedelta(0),
        )
        decision = decide(autoscale.spec, readings, memory, now)
        if decision.instances < wanted and user_of(self._resources, name, now) is not None:
            return  # a rollout needs it as it is
        self._memories[autoscale.uid] = decision.memory
        changed = scale is None or decision.instances != wanted
        if changed and not self._write(name, scale, decision):
            return  # a request woke it meanwhile
        self._tell(autoscale, deployment, decision, changed=changed)

    def _readings(self, deployment: Deployment, wanted: int, now: datetime) -> Readings:
        present = self._fleet.instances(*deployment.name.split("/"))
        ready = [i for i in present if i.phase is Phase.READY and i.draining_since is None]
        given = deployment.spec.request_settings.max_concurrent_requests_per_instance
        return WindowReadings(
            windows=self._windows,
            deployment=deployment.name,
            now=now,
            instances=Instances(wanted=wanted, ready=len(ready)),
            at_once=given or max([1, *(i.batch_requests for i in ready)]),
        )

    def _write(self, name: str, scale: ScaleRow | None, decision: Decision) -> bool:
        """False if somebody else has written since `scale` was read."""
        spec = Scale(instances=decision.instances, reason=decision.reason)
        generation = scale.generation if scale is not None else 0
        try:
            self._resources.apply(
                SCALE, name, spec, actor=PLATFORM, generation=generation, event=("Scaled", decision.reason)
            )
        except PenstockError as err:
            if err.code is not Code.CONFLICT:
                raise
            return False
        self._look_at(name)
        return True

    def _tell(self, autoscale: AutoscaleRow, deployment: Deployment, decision: Decision, *, changed: bool) -> None:
        """Write the status where it says something new. Numbers change all the time, and are written now and then."""
        before, limit = autoscale.status, deployment.status.limit
        told = (before.wanted, before.profile, before.limit) == (decision.instances, decision.profile, limit)
        fresh = self._clock.now() - autoscale.updated_at < _AFRESH
        if told and not changed and not decision.changed and (fresh or before.reason == decision.reason):
            return
        after = before.model_copy(
            update={
                "instances": deployment.status.ready_instances if limit else decision.instances,
                "wanted": decision.instances,
                "reason": decision.reason,
                "since": self._clock.now() if changed else before.since,
                "profile": decision.profile,
                "limit": limit,
                "memory": decision.memory,
            }
        )
        self._resources.set_status(AUTOSCALE, autoscale, after)  # if it was changed meanwhile: in two seconds

    def _look_at(self, name: str) -> None:
        self._resources.enqueue(Key(ONLINE_DEPLOYMENT.name, name))


@dataclass(frozen=True, kw_only=True)
class LiveReadings:
    """`measured`, and what no window knows: how many requests are `held`, and since when the number is what it is.

    A deployment is idle only if it had this number of instances all the time: who was woken has a whole idle time.
    """

    measured: Readings
    held: int
    unchanged_for: timedelta

    @property
    def instances(self) -> Instances:
        return self.measured.instances

    @property
    def at_once(self) -> int:
        return self.measured.at_once

    def value(self, trigger: Trigger) -> float | None:
        return self.measured.value(trigger)

    def concurrency(self, span: timedelta) -> float | None:
        return self.measured.concurrency(span)

    def idle(self, span: timedelta) -> bool | None:
        if self.held or (self.instances.wanted and self.unchanged_for < span):
            return False
        return self.measured.idle(span)

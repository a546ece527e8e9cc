"""Carries a rollout out: what is wanted is written to its status first, then done, and done again if it was not.

So whatever is killed in between, the next step finds in the status what the traffic shall be, and goes on from there.
"""

from datetime import datetime, timedelta

from penstock.control.clock import Clock
from penstock.control.resources import PLATFORM, Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.events import Event
from penstock.domain.resource import Key, Resource
from penstock.domain.rollout import ROLLOUT, Choice, Phase, Rollout, RolloutStatus, Verdict
from penstock.online import rollout_progress as progress
from penstock.online.guards import reference_of
from penstock.online.ownership import user_of
from penstock.online.rollout_looks import Looks
from penstock.online.rollout_stages import Stages, paused
from penstock.online.routing import Routing
from penstock.online.steps import View, decide

_SOON = timedelta(milliseconds=50)
_LOOK = timedelta(seconds=1)
_RESYNC = timedelta(seconds=30)
_LATE = timedelta(seconds=2)  # from the beginning of a step to its traffic: more means that nobody was there

RolloutResource = Resource[Rollout, RolloutStatus]
Endpoint = Resource[OnlineEndpoint, OnlineEndpointStatus]
Deployment = Resource[OnlineDeployment, OnlineDeploymentStatus]


class RolloutReconciler:
    def __init__(self, resources: Resources, routing: Routing, looks: Looks, stages: Stages, clock: Clock) -> None:
        self._resources = resources
        self._routing = routing
        self._looks = looks
        self._stages = stages
        self._clock = clock

    def reconcile(self, key: Key) -> timedelta | None:
        rollout = self._resources.find(ROLLOUT, key.name)
        if rollout is None:
            self._forget(key.name)
            return None
        endpoint = self._resources.find(ONLINE_ENDPOINT, key.name.partition("/")[0])
        if rollout.deleting_since is not None or endpoint is None or endpoint.deleting_since is not None:
            self._forget(key.name)
            self._resources.remove(ROLLOUT, rollout)
            return None
        if rollout.status.attempt != rollout.spec.attempt:
            return self._begin(rollout, endpoint)
        if not self._in_place(rollout, endpoint):
            return _SOON
        if rollout.status.phase.finished:
            return self._after(rollout)
        return self._go_on(rollout, endpoint, self._clock.now())

    def _begin(self, rollout: RolloutResource, endpoint: Endpoint) -> timedelta:
        new = self._new(rollout)
        uid = new.uid if new is not None else ""
        return self._write(rollout, progress.begun(rollout.spec, endpoint.spec, uid, self._clock.now()))

    def _in_place(self, rollout: RolloutResource, endpoint: Endpoint) -> bool:
        """Give the endpoint the traffic and mirror that the status says; False if it had to be done."""
        status = rollout.status
        if rollout.spec.ending == "override" or status.phase is Phase.OVERRIDDEN:
            return True
        mirror = _mirror(rollout)
        present = endpoint.spec
        placed = progress.positive(present.traffic) == status.traffic
        mirrored = progress.positive(present.mirror_traffic) == mirror
        if (placed and mirrored) or status.settled:
            return True
        if progress.positive(present.traffic) not in (status.traffic, status.traffic_before):
            if not status.phase.finished:
                self._overridden(rollout)
            return True
        if not placed and _is_late(status, self._clock.now()):
            self._write(rollout, progress.begun_late(status, self._clock.now()))
            return False
        spec = present.model_copy(update={"traffic": status.traffic, "mirror_traffic": mirror})
        event = ("TrafficChanged", f"rollout {_own_name(rollout)!r}: {progress.sentence(rollout.spec, status)}"[:2000])
        actor = f"rollout {_own_name(rollout)}"
        self._resources.apply(
            ONLINE_ENDPOINT, endpoint.name, spec, actor=actor, generation=endpoint.generation, event=event
        )
        self._routing.apply()
        return False

    def _overridden(self, rollout: RolloutResource) -> None:
        message = "the traffic was changed by somebody else: it is theirs now"
        self._end(rollout, Phase.OVERRIDDEN, _verdict(Choice.ROLL_BACK, "Overridden", message))

    def _go_on(self, rollout: RolloutResource, endpoint: Endpoint, now: datetime) -> timedelta:
        """One step of an unfinished rollout whose traffic is in place."""
        spec, status = rollout.spec, rollout.status
        if spec.ending is not None:
            return self._commanded(rollout)
        new = self._new(rollout)
        if new is None or new.uid != status.to_uid:
            return self._end(rollout, Phase.ROLLED_BACK, _verdict(Choice.ROLL_BACK, "DeploymentGone", _gone(spec)))
        if status.to_revision is not None and new.status.revision != status.to_revision:
            message = f"deployment {spec.to!r} was changed meanwhile: start the rollout again"
            return self._end(rollout, Phase.ROLLED_BACK, _verdict(Choice.ROLL_BACK, "DeploymentChanged", message))
        if status.phase is Phase.PENDING:
            return self._pending(rollout, new, now)
        if status.phase is Phase.STEP:
            return self._step(rollout, now)
        verdict = self._stages.verdict(rollout, endpoint, now)
        return self._judged(rollout, verdict, None, now)

    def _commanded(self, rollout: RolloutResource) -> timedelta:
        ending = rollout.spec.ending
        phase = {"promote": Phase.PROMOTED, "abort": Phase.ABORTED}.get(str(ending), Phase.OVERRIDDEN)
        choice = Choice.DONE if phase is Phase.PROMOTED else Choice.ROLL_BACK
        said = {Phase.PROMOTED: "promoted by hand", Phase.ABORTED: "aborted by hand"}.get(phase, "taken over by hand")
        return self._end(rollout, phase, _verdict(choice, phase.name.title().replace("_", ""), said))

    def _pending(self, rollout: RolloutResource, new: Deployment, now: datetime) -> timedelta:
        spec, status = rollout.spec, rollout.status
        if new.ready:
            verdict = paused(spec, _verdict(Choice.ADVANCE, "Ready", f"deployment {spec.to!r} is ready"))
            if verdict.choice is Choice.HOLD:
                self._hold(rollout, status.model_copy(update={"verdict": verdict}))
                return _LOOK
            return self._enter(rollout, now, progress.with_revision(status, new.status.revision))
        waited = now - (status.phase_since or now)
        if waited >= spec.maximum_wait:
            message = f"deployment {spec.to!r} is not ready after {waited}: see `penstock online-deployment show`"
            return self._end(rollout, Phase.FAILED, _verdict(Choice.ROLL_BACK, "NotReady", message))
        return _LOOK

    def _enter(self, rollout: RolloutResource, now: datetime, status: RolloutStatus) -> timedelta:
        """The next phase before the first step, or that step."""
        spec = rollout.spec
        if spec.golden is not None and status.phase is Phase.PENDING:
            return self._write(rollout, progress.entered(status, Phase.GOLDEN, now))
        if spec.shadow is not None and status.phase in (Phase.PENDING, Phase.GOLDEN) and status.old:
            return self._write(rollout, progress.entered(status, Phase.SHADOW, now))
        percent = spec.stages[0].percent
        what = ("RolloutStep", f"step 1 of {len(spec.stages)}: {percent} % of the traffic to {spec.to!r}")
        return self._write(rollout, progress.stepped(spec, status, 0, now), what)

    def _step(self, rollout: RolloutResource, now: datetime) -> timedelta:
        spec, status = rollout.spec, rollout.status
        evidence, found = self._looks.look(rollout.name, spec, status, now)
        view = View(
            step=status.step,
            since=status.step_since or now,
            requests=evidence.requests,
            looks=evidence.looks,
            findings=found,
        )
        verdict = decide(spec, view, now)
        reference = reference_of(evidence, status.reference)
        seen = progress.looked(status, evidence.requests, verdict, reference)
        return self._judged(rollout, verdict, seen, now)

    def _judged(
        self, rollout: RolloutResource, verdict: Verdict, seen: RolloutStatus | None, now: datetime
    ) -> timedelta:
        """Do what the verdict says. `seen` is the status with what was seen in a step."""
        after = seen or rollout.status.model_copy(update={"verdict": verdict})
        match verdict.choice:
            case Choice.ROLL_BACK:
                return self._end(rollout, Phase.ROLLED_BACK, verdict, after)
            case Choice.DONE:
                return self._end(rollout, Phase.PROMOTED, verdict, after)
            case Choice.ADVANCE if seen is None:
                return self._enter(rollout, now, rollout.status)
            case Choice.ADVANCE:
                recorded = progress.recorded(rollout.spec, after, verdict, now)
                step = rollout.status.step + 1
                what = ("RolloutStep", f"step {step} of {len(rollout.spec.stages)} passed: {verdict.message}"[:2000])
                return self._write(rollout, progress.stepped(rollout.spec, recorded, step, now), what)
            case _:
                self._hold(rollout, after)
                return _LOOK

    def _hold(self, rollout: RolloutResource, after: RolloutStatus) -> None:
        """Note what was seen, and tell once that nothing goes on."""
        before = rollout.status.verdict
        held = after.verdict is not None and after.verdict.choice is Choice.HOLD
        news = held and after.verdict is not None and (before is None or before.reason != after.verdict.reason)
        what = ("RolloutHeld", after.verdict.message[:2000]) if news and after.verdict is not None else None
        self._write(rollout, after, what)

    def _end(
        self, rollout: RolloutResource, phase: Phase, verdict: Verdict, status: RolloutStatus | None = None
    ) -> timedelta:
        after = progress.ended(rollout.spec, status or rollout.status, phase, verdict, self._clock.now())
        reason = {Phase.PROMOTED: "RolloutPromoted", Phase.ROLLED_BACK: "RolloutRolledBack"}.get(phase, "RolloutEnded")
        told = f"{phase.replace('_', ' ')}: {verdict.message}"[:2000]
        self._write(rollout, after, (reason, told))
        self._looks.forget(rollout.name)
        return timedelta(0)

    def _after(self, rollout: RolloutResource) -> timedelta | None:
        """The old deployments stay warm for a while; then they go, if that is wanted."""
        status, now = rollout.status, self._clock.now()
        if not status.settled:
            return self._write(rollout, status.model_copy(update={"settled": True}))
        if status.warm_until is None or rollout.spec.after_warm == "keep":
            return None
        if now < status.warm_until:
            return min(_RESYNC, status.warm_until - now)
        for name in status.old:
            self._delete_if_idle(rollout, name, now)
        return self._write(rollout, status.model_copy(update={"warm_until": None}))  # once: names come again

    def _delete_if_idle(self, rollout: RolloutResource, name: str, now: datetime) -> None:
        """Delete an old deployment that nobody uses; not a newer one of its name."""
        endpoint, _, _ = rollout.name.partition("/")
        full, parent = f"{endpoint}/{name}", self._resources.find(ONLINE_ENDPOINT, endpoint)
        found = self._resources.find(ONLINE_DEPLOYMENT, full)
        if found is None or parent is None or found.created_at > (rollout.status.started_at or now):
            return
        busy = parent.spec.traffic.get(name) or parent.spec.mirror_traffic.get(name)
        if not busy and user_of(self._resources, full, now) is None:
            self._resources.delete(ONLINE_DEPLOYMENT, full, actor=f"rollout {_own_name(rollout)}")

    def _new(self, rollout: RolloutResource) -> Deployment | None:
        endpoint, _, _ = rollout.name.partition("/")
        found = self._resources.find(ONLINE_DEPLOYMENT, f"{endpoint}/{rollout.spec.to}")
        return None if found is None or found.deleting_since is not None else found

    def _write(self, rollout: RolloutResource, after: RolloutStatus, what: tuple[str, str] | None = None) -> timedelta:
        """Write the status if it differs; the next step follows at once, on what is written."""
        now = self._clock.now()
        after = progress.told(rollout.spec, after, rollout.generation, now)
        if after == rollout.status:
            return _LOOK
        events = () if what is None else (_event(rollout, what, now),)
        self._resources.set_status(ROLLOUT, rollout, after, *events)
        return timedelta(0)

    def _forget(self, name: str) -> None:
        self._looks.forget(name)
        self._stages.forget(name)


def _is_late(status: RolloutStatus, now: datetime) -> bool:
    """True of a step that began long ago, and whose traffic is yet to be set."""
    return status.phase is Phase.STEP and status.step_since is not None and now - status.step_since > _LATE


def _mirror(rollout: RolloutResource) -> dict[str, int]:
    """What shall be mirrored: in the shadow stage to the new deployment too, else what was before."""
    spec, status = rollout.spec, rollout.status
    before = {name: percent for name, percent in status.mirror_before.items() if name != spec.to}
    if status.phase is Phase.SHADOW and spec.shadow is not None:
        return {**before, spec.to: spec.shadow.percent}
    return before if status.phase is not Phase.PENDING else status.mirror_before


def _event(rollout: RolloutResource, what: tuple[str, str], now: datetime) -> Event:
    reason, message = what
    return Event(
        at=now,
        kind=ROLLOUT.name,
        name=rollout.name,
        generation=rollout.generation,
        reason=reason,
        message=message,
        actor=PLATFORM,
    )


def _verdict(choice: Choice, reason: str, message: str) -> Verdict:
    return Verdict(choice=choice, reason=reason, message=message)


def _gone(spec: Rollout) -> str:
    return f"deployment {spec.to!r} was deleted meanwhile"


def _own_name(rollout: RolloutResource) -> str:
    return rollout.name.partition("/")[2]

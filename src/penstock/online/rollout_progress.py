"""Where a rollout stands next: after its beginning, a verdict, a command, and at its end. Pure."""

from collections.abc import Mapping
from datetime import datetime

from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.resource import Condition, Truth, with_condition
from penstock.domain.rollout import Choice, Phase, Reference, Rollout, RolloutStatus, StepRecord, Verdict
from penstock.online.steps import shares

_BRIEF = 300  # characters

_REASONS = {
    Phase.PENDING: "WaitingForDeployment",
    Phase.GOLDEN: "CheckingGoldenRequests",
    Phase.SHADOW: "Shadowing",
    Phase.STEP: "Progressing",
    Phase.PROMOTED: "Promoted",
    Phase.ROLLED_BACK: "RolledBack",
    Phase.ABORTED: "Aborted",
    Phase.OVERRIDDEN: "Overridden",
    Phase.FAILED: "Failed",
}


def begun(spec: Rollout, endpoint: OnlineEndpoint, uid: str, now: datetime) -> RolloutStatus:
    """The beginning of an attempt. `uid` is the new deployment's."""
    traffic = positive(endpoint.traffic)
    old = (spec.from_,) if spec.from_ is not None else tuple(sorted(name for name in traffic if name != spec.to))
    return RolloutStatus(
        attempt=spec.attempt,
        phase=Phase.PENDING,
        old=old,
        before=traffic,
        traffic=traffic,
        traffic_before=traffic,
        mirror_before=positive(endpoint.mirror_traffic),
        to_uid=uid,
        phase_since=now,
        started_at=now,
    )


def with_revision(status: RolloutStatus, revision: str | None) -> RolloutStatus:
    """With what is rolled out: the revision that the new deployment was found ready with."""
    return status.model_copy(update={"to_revision": revision})


def entered(status: RolloutStatus, phase: Phase, now: datetime) -> RolloutStatus:
    """In a phase before the first step."""
    return status.model_copy(update={"phase": phase, "phase_since": now, "verdict": None})


def stepped(spec: Rollout, status: RolloutStatus, step: int, now: datetime) -> RolloutStatus:
    """In a step: its traffic is the one that is wanted from now on."""
    return status.model_copy(
        update={
            "phase": Phase.STEP,
            "phase_since": now,
            "step": step,
            "step_since": now,
            "requests": 0,
            "verdict": None,
            "traffic_before": status.traffic,
            "traffic": positive(shares(status.before, spec.to, spec.stages[step].percent)),
        }
    )


def begun_late(status: RolloutStatus, now: datetime) -> RolloutStatus:
    """In the same step, which begins now: bake time is time with its traffic."""
    return status.model_copy(update={"phase_since": now, "step_since": now})


def recorded(spec: Rollout, status: RolloutStatus, verdict: Verdict, now: datetime) -> RolloutStatus:
    """With the present step among those that are over."""
    if status.phase is not Phase.STEP or status.step_since is None:
        return status
    record = StepRecord(
        percent=spec.stages[status.step].percent,
        since=status.step_since,
        until=now,
        requests=status.requests,
        verdict=verdict,
    )
    return status.model_copy(update={"steps": (*map(_in_brief, status.steps), record)})


def looked(status: RolloutStatus, requests: int, verdict: Verdict, reference: Reference | None) -> RolloutStatus:
    """After a look that leaves it where it is."""
    return status.model_copy(update={"requests": requests, "verdict": verdict, "reference": reference})


def ended(spec: Rollout, status: RolloutStatus, phase: Phase, verdict: Verdict, now: datetime) -> RolloutStatus:
    """At an end. Promotion gives the new deployment all traffic, a rollback and an abortion what was before."""
    after = recorded(spec, status, verdict, now)
    traffic = {
        Phase.PROMOTED: {spec.to: 100},
        Phase.ROLLED_BACK: status.before,
        Phase.ABORTED: status.before,
    }.get(phase, status.traffic)
    return after.model_copy(
        update={
            "phase": phase,
            "phase_since": now,
            "verdict": verdict,
            "finished_at": now,
            "traffic_before": status.traffic,
            "traffic": traffic,
            "warm_until": now + spec.keep_warm if phase is Phase.PROMOTED and status.old else None,
        }
    )


def told(spec: Rollout, status: RolloutStatus, generation: int, now: datetime) -> RolloutStatus:
    """With its Ready condition: true where it was promoted, false where it ended otherwise, else unknown."""
    truth = Truth.UNKNOWN
    if status.phase.finished:
        truth = Truth.TRUE if status.phase is Phase.PROMOTED else Truth.FALSE
    ready = Condition(name="Ready", truth=truth, reason=_reason(status), message=sentence(spec, status), since=now)
    conditions = with_condition(status.conditions, ready)
    return status.model_copy(update={"observed_generation": generation, "conditions": conditions})


def sentence(spec: Rollout, status: RolloutStatus) -> str:
    """What there is to say of it now."""
    why = status.verdict.message if status.verdict is not None else ""
    match status.phase:
        case Phase.PENDING:
            return why or f"deployment {spec.to!r} is not ready yet"
        case Phase.GOLDEN:
            return why or f"deployment {spec.to!r} is asked for its golden answers"
        case Phase.SHADOW:
            return why or f"deployment {spec.to!r} gets copies of requests"
        case Phase.STEP:
            percent, count = spec.stages[status.step].percent, len(spec.stages)
            return f"step {status.step + 1} of {count}, {percent} % of the traffic: {why or 'begun'}"
        case _:
            return why


def is_held(status: RolloutStatus) -> bool:
    """True while nothing goes on before more requests come, or somebody acts."""
    return status.verdict is not None and status.verdict.choice is Choice.HOLD and not status.phase.finished


def positive(shares_: Mapping[str, int]) -> dict[str, int]:
    """Without those that have nothing."""
    return {name: percent for name, percent in shares_.items() if percent}


def _in_brief(record: StepRecord) -> StepRecord:
    """Of steps before the last only the verdict: the status is written once a second, and there may be 100 steps."""
    verdict = record.verdict.model_copy(update={"findings": (), "message": record.verdict.message[:_BRIEF]})
    return record.model_copy(update={"verdict": verdict})


def _reason(status: RolloutStatus) -> str:
    if is_held(status) and status.verdict is not None:
        return status.verdict.reason
    return _REASONS[status.phase]

"""How a rollout goes on: from its spec, where it is, and what the guards say, to the next verdict. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock.domain.durations import span_text
from penstock.domain.rollout import Choice, Finding, Rollout, Verdict

_FEWEST_LOOKS = 5


@dataclass(frozen=True, kw_only=True)
class View:
    """A step of a rollout as it is now.

    `requests` were answered by the new deployment in it, in so many `looks`: no guard believes one look alone.
    """

    step: int
    since: datetime
    requests: int
    looks: int
    findings: tuple[Finding, ...]


def decide(spec: Rollout, view: View, now: datetime) -> Verdict:
    """What is to be done. A guard that failed ends every waiting; nothing but guards ends a rollout for the worse,
    unless its author wants that of missing data."""
    failed = [finding for finding in view.findings if finding.state == "failed"]
    if failed:
        reasons = "; ".join(f"{finding.guard}: {finding.message}" for finding in failed)
        return Verdict(choice=Choice.ROLL_BACK, reason="GuardFailed", message=reasons[:2000], findings=view.findings)
    baked, bake = now - view.since, spec.bake_of(view.step)
    missing = max(0, spec.minimum_requests - view.requests)
    looks = max(0, _FEWEST_LOOKS - view.looks)
    verdict = _short_of_data(spec, missing, looks, baked) if missing or looks else None
    if verdict is None and baked < bake:
        left = span_text(timedelta(seconds=-(-(bake - baked).total_seconds() // 1)))
        verdict = Verdict(choice=Choice.WAIT, reason="Baking", message=f"{left} of {span_text(bake)} left")
    if verdict is None or verdict.choice is Choice.ADVANCE:
        verdict = _onward(spec, view.step, verdict)
    if spec.paused and verdict.choice in (Choice.ADVANCE, Choice.DONE, Choice.ROLL_BACK):  # no guard failed
        verdict = Verdict(choice=Choice.HOLD, reason="Paused", message=f"paused; else: {verdict.message}")
    return verdict.model_copy(update={"missing": missing, "findings": view.findings})


def _short_of_data(spec: Rollout, missing: int, looks: int, baked: timedelta) -> Verdict:
    needed = f"{missing:,} more requests to the new deployment are needed (of {spec.minimum_requests:,})"
    if not missing:
        needed = f"{looks} more seconds with requests to the new deployment are needed (of {_FEWEST_LOOKS})"
    if baked < spec.maximum_wait:
        return Verdict(choice=Choice.HOLD, reason="NotEnoughData", message=needed)
    waited = f"{needed}, and {span_text(spec.maximum_wait)} are over"
    match spec.when_data_is_missing:
        case "advance":
            return Verdict(choice=Choice.ADVANCE, reason="DataMissing", message=f"{waited}; it goes on all the same")
        case "roll_back":
            return Verdict(choice=Choice.ROLL_BACK, reason="DataMissing", message=waited)
        case "hold":
            return Verdict(choice=Choice.HOLD, reason="DataMissing", message=f"{waited}; promote or abort it by hand")


def _onward(spec: Rollout, step: int, because: Verdict | None) -> Verdict:
    why = f" ({because.message})" if because else ""
    reason = because.reason if because else "GuardsPassed"
    if step + 1 < len(spec.stages):
        message = f"{spec.stages[step].percent} % -> {spec.stages[step + 1].percent} %{why}"
        return Verdict(choice=Choice.ADVANCE, reason=reason, message=message)
    return Verdict(choice=Choice.DONE, reason=reason, message=f"all steps are passed{why}")


def shares(before: Mapping[str, int], new: str, percent: int) -> dict[str, int]:
    """The traffic in which `new` has `percent` and the others of `before` the rest, as they shared it before.

    Whole percents that sum to 100 (largest remainders). Where there are no others, `new` has all.
    """
    others = {name: share for name, share in before.items() if share > 0 and name != new}
    total = sum(others.values())
    if not total:
        return {new: 100}
    rest = 100 - percent
    exact = {name: rest * share / total for name, share in others.items()}
    result = {name: int(share) for name, share in exact.items()}
    by_remainder: Sequence[str] = sorted(exact, key=lambda name: (result[name] - exact[name], name))
    for name in by_remainder[: rest - sum(result.values())]:
        result[name] += 1
    return {**result, new: percent}

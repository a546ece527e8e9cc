"""What each guard of a rollout says of the evidence. Pure; the statistics are in `sequential.py` and `shift.py`."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from penstock.domain.rollout import (
    Finding,
    Guards,
    LatencyGuard,
    RateGuard,
    Reference,
    RestartGuard,
    ShiftGuard,
)
from penstock.online.evidence import Block, Evidence
from penstock.online.sequential import Tally, against_limit, against_old, is_sure
from penstock.online.shift import shifts
from penstock.telemetry.series import Histogram, Window, bucket_of

ALLOWED_ERROR = 0.005  # probability that a rollout between equal deployments is rolled back by any statistical guard
PATIENCE = timedelta(seconds=60)  # before latency and predictions are judged: latency swings for tens of seconds
_PARTS = 3  # of the time, in each of which latency must be too high
_FEWEST_OLD = 30  # answers of the old deployment that a comparison takes at least

Count = Callable[[Window], int]


@dataclass(frozen=True)
class Setting:
    """How the evidence is to be judged.

    `alpha` is the error that each guard is allowed in this step. `alone` says that the new deployment has all the
    traffic: it is then compared with the `reference`, if there is one. `patient` says that `PATIENCE` is over.
    """

    alpha: float
    alone: bool
    reference: Reference | None
    patient: bool


def setting_of(guards: Guards, steps: int, *, alone: bool, reference: Reference | None, patient: bool) -> Setting:
    """The allowed error, divided by the guards that are on and by the steps (Bonferroni)."""
    rates = [guard for guard in (guards.errors, guards.refusals) if guard]
    tests = len(rates) + sum(guard.maximum is not None for guard in rates)
    if guards.latency:
        tests += 1 + (guards.latency.maximum is not None)
    tests += guards.predictions is not None
    return Setting(ALLOWED_ERROR / (steps * max(1, tests)), alone, reference, patient)


def findings(guards: Guards, evidence: Evidence, setting: Setting) -> tuple[Finding, ...]:
    """What the guards that need nothing but the evidence say, those that failed first."""
    return tuple(sorted(_findings(guards, evidence, setting), key=lambda finding: finding.state != "failed"))


def _findings(guards: Guards, evidence: Evidence, setting: Setting) -> Iterator[Finding]:
    if guards.errors:
        yield _rate("errors", guards.errors, evidence, setting)
    if guards.refusals:
        yield _rate("refusals", guards.refusals, evidence, setting)
    if guards.latency:
        yield _latency(guards.latency, evidence, setting)
    if guards.restarts:
        yield _restarts(guards.restarts, evidence)
    if guards.predictions:
        yield _predictions(guards.predictions, evidence, setting)


def _rate(name: str, guard: RateGuard, evidence: Evidence, setting: Setting) -> Finding:
    count: Count = (lambda window: window.failed) if name == "errors" else (lambda window: window.refused)
    tallies = [_tally(block, count, count) for block in evidence.blocks]
    new_hits, new_total = sum(t.new_hits for t in tallies), sum(t.new_total for t in tallies)
    if not new_total:
        return Finding(guard=name, state="unknown", message="the new deployment has answered nothing yet")
    rate = new_hits / new_total
    told = f"{_percent(rate)} of {new_total:,}"
    limit = guard.maximum
    if limit is not None and rate > limit and is_sure(against_limit(tallies, limit), setting.alpha):
        return Finding(guard=name, state="failed", message=f"{told}: above the maximum {_percent(limit)}")
    old_hits, old_total = _old_counts(tallies, setting.reference, name) if setting.alone else _old_sums(tallies)
    if old_total < _FEWEST_OLD:
        words = "nothing to compare with" if setting.alone else f"the old deployment has answered only {old_total}"
        return Finding(guard=name, state="ok" if setting.alone else "unknown", message=f"{told}; {words}")
    old_rate = old_hits / old_total
    bound = max(old_rate * guard.relative, old_rate + guard.absolute)
    message = f"{told} against {_percent(old_rate)} of {old_total:,}{' before' if setting.alone else ''}"
    strength = against_limit(tallies, bound) if setting.alone else against_old(tallies)
    bad = rate > bound and is_sure(strength, setting.alpha)
    return Finding(guard=name, state="failed" if bad else "ok", message=message)


def _latency(guard: LatencyGuard, evidence: Evidence, setting: Setting) -> Finding:
    new, old = evidence.new, _reference_window(setting.reference, evidence) if setting.alone else evidence.old
    name = f"p{guard.percentile * 100:g}"
    ours = new.latency_percentile(guard.percentile) if new else None
    if new is None or ours is None:
        return Finding(guard="latency", state="unknown", message="the new deployment has answered nothing yet")
    over = 1 - guard.percentile
    if guard.maximum is not None and setting.patient:
        limit = guard.maximum.total_seconds()
        if ours > limit and is_sure(against_limit(_slower(evidence.blocks, limit), over), setting.alpha):
            message = f"{name} {_milliseconds(ours)}: above the maximum {_milliseconds(limit)}"
            return Finding(guard="latency", state="failed", message=message)
    theirs = old.latency_percentile(guard.percentile) if old and old.latency.total >= _FEWEST_OLD else None
    if theirs is None:
        words = f"{name} {_milliseconds(ours)}; too few answers of the old deployment to compare with"
        return Finding(guard="latency", state="ok" if setting.alone else "unknown", message=words)
    message = f"{name} {_milliseconds(ours)} against {_milliseconds(theirs)}{' before' if setting.alone else ''}"
    bound = max(theirs * guard.relative, theirs + guard.absolute.total_seconds())
    bad = setting.patient and ours > bound and _is_slower(evidence.blocks, bound, over, setting)
    return Finding(guard="latency", state="failed" if bad else "ok", message=message)


def _is_slower(blocks: Sequence[Block], bound: float, over: float, setting: Setting) -> bool:
    """True if surely more than the share `over` took longer than `bound`, and surely more than of the old deployment's.

    The first allows for deployments that swing each by themselves, the second for a machine that is slow for both. And
    it must have been so early and late, for what swings slowly looks like a difference for a while.
    """
    tallies = _slower(blocks, bound)
    if not is_sure(against_limit(tallies, over), setting.alpha):
        return False
    size = -(-len(tallies) // _PARTS)
    for part in (tallies[start : start + size] for start in range(0, len(tallies), size)):
        if sum(t.new_hits for t in part) <= over * sum(t.new_total for t in part):
            return False
    return setting.alone or is_sure(against_old(tallies), setting.alpha)


def _restarts(guard: RestartGuard, evidence: Evidence) -> Finding:
    new, old = evidence.restarts
    message = f"{new} unwanted ends of instances against {old}"
    return Finding(guard="restarts", state="failed" if new - old > guard.maximum else "ok", message=message)


def _predictions(guard: ShiftGuard, evidence: Evidence, setting: Setting) -> Finding:
    if setting.alone:
        return Finding(guard="predictions", state="ok", message="not judged: the old deployment answers nothing now")
    found = shifts(evidence.new_rows, evidence.old_rows)
    if not found:
        rows = f"{len(evidence.new_rows)} against {len(evidence.old_rows)} predictions"
        return Finding(guard="predictions", state="unknown", message=f"{rows}: too few to compare")
    told = [
        f"{shift.column}: {shift.words}, distance {shift.distance:.3f} "
        f"({shift.new_rows:,} against {shift.old_rows:,} predictions)"
        for shift in found
    ]
    for shift, words in zip(found, told, strict=True):
        if setting.patient and shift.distance >= guard.distance and shift.chance <= setting.alpha:
            return Finding(guard="predictions", state="failed", message=words)
    return Finding(guard="predictions", state="ok", message=told[0])


def reference_of(evidence: Evidence, earlier: Reference | None) -> Reference | None:
    """What the last step will be measured by; `earlier` if the old deployment answered too little here."""
    old = evidence.old
    if old is None or old.requests < _FEWEST_OLD:
        return earlier
    return Reference(
        requests=old.requests,
        refused=old.refused,
        failed=old.failed,
        latency=dict(old.latency.counts),
        queue_seconds=old.queue_seconds,
    )


def _tally(block: Block, new: Count, old: Count) -> Tally:
    return Tally(new(block.new), block.new.requests, old(block.old), block.old.requests)


def _old_sums(tallies: Sequence[Tally]) -> tuple[int, int]:
    return sum(t.old_hits for t in tallies), sum(t.old_total for t in tallies)


def _old_counts(tallies: Sequence[Tally], reference: Reference | None, name: str) -> tuple[int, int]:
    if reference is None:
        return 0, 0
    return (reference.failed if name == "errors" else reference.refused), reference.requests


def _reference_window(reference: Reference | None, evidence: Evidence) -> Window | None:
    new = evidence.new
    if reference is None or new is None:
        return None
    return Window(
        start=new.start,
        end=new.start,
        requests=reference.requests,
        latency=Histogram(reference.latency),
        queue_seconds=reference.queue_seconds,
    )


def _slower(blocks: Sequence[Block], seconds: float) -> Sequence[Tally]:
    """Requests that took longer, of both; as many as the histograms hold, for those that failed may be missing."""

    def over(window: Window) -> int:
        first = bucket_of(max(seconds - window.queue_seconds, 0.0))
        return sum(count for bucket, count in window.latency.counts.items() if bucket > first)

    return [Tally(over(b.new), b.new.latency.total, over(b.old), b.old.latency.total) for b in blocks]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _milliseconds(seconds: float) -> str:
    digits = 0 if seconds >= 1 else 2 - max(0, math.floor(math.log10(max(seconds * 1000, 1.0))))
    return f"{seconds * 1000:,.{max(0, digits)}f} ms"

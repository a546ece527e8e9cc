"""Requests that wait: whether batches, more instances or a compiled model would help. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from penstock.domain.observation import Evidence, Facts, Finding, InstanceLook, Look, Severity, Times

_IN_USE = 0.5  # of the time in run(): below it, an instance is not what requests wait for
_COMPUTING = 0.6  # of run()'s time, at least; else it waits for something
_SHORTEST = 0.3  # seconds between two looks
_WAITING = 0.5  # of run()'s time: what waits longer than that comes together
_LEAST_WAIT = 0.0005  # seconds
_LEAST_QUEUE = 0.005  # seconds: the gateway counts in milliseconds, and remembers
_SLOW_PREDICT = 0.0005  # seconds, from which a compiled model is worth the effort
_RUN_SHARE = 0.6  # of the worker's time
_FEW_ROWS = 4
_ENSEMBLES = ("Forest", "Boosting", "GBM", "XGB", "LGBM", "Booster", "ExtraTrees", "Bagging", "CatBoost", "Pipeline")


def pressure_findings(evidence: Evidence, stages: Mapping[str, Times]) -> Iterable[Finding]:
    last = evidence.looks[-1]
    facts = next((i.facts for i in last.instances if i.facts is not None), None)
    if facts is None:
        return
    if _waits(evidence, last, stages):
        yield from _of_waiting(_use(evidence.looks), facts, last)
    if _compilable(facts, last, stages):
        yield _uncompiled(facts, stages)


class Use(NamedTuple):
    """Shares of the time of the busiest instance: in run(), computing, ready to compute but without a core."""

    running: float = 0.0
    computing: float = 0.0
    queued: float = 0.0


def _waits(evidence: Evidence, last: Look, stages: Mapping[str, Times]) -> bool:
    """Whether requests came while others were worked on."""
    queue = stages.get("gateway queue", Times()).mean
    waited = stages["wait"].mean + (queue if queue > _LEAST_QUEUE else 0.0)
    loaded = evidence.capacity is not None and any(step.connections > 1 for step in evidence.capacity.steps)
    return loaded or last.waiting > 0 or (waited > _LEAST_WAIT and waited > stages["run"].mean * _WAITING)


def _of_waiting(use: Use, facts: Facts, last: Look) -> Iterable[Finding]:
    if use.running < _IN_USE:
        yield _idle(use, last)
        return
    if not facts.batch_rows:
        yield _unbatched(facts)
    if use.computing >= use.running * _COMPUTING:
        yield _too_few(last)
    elif use.computing + use.queued >= use.running * _COMPUTING:
        yield _crowded(last, use)
    else:
        yield _blocked(last, use)


def _use(looks: Sequence[Look]) -> Use:
    """In the span between two looks in which it was highest."""
    found = [_use_between(a, b) for before, after in pairwise(looks) for a, b in _pairs(before, after)]
    return max(found, default=Use())


def _pairs(before: Look, after: Look) -> Iterable[tuple[InstanceLook, InstanceLook]]:
    known = {(i.name, i.pid): i for i in before.instances}
    for instance in after.instances:
        earlier = known.get((instance.name, instance.pid))
        if earlier is not None and instance.at - earlier.at > _SHORTEST:
            yield earlier, instance


def _use_between(before: InstanceLook, after: InstanceLook) -> Use:
    if before.facts is None or after.facts is None:
        return Use()
    seconds = after.at - before.at
    computed = after.facts.cpu_seconds - before.facts.cpu_seconds
    queued = after.facts.queued_seconds - before.facts.queued_seconds
    return Use((_run_seconds(after) - _run_seconds(before)) / seconds, computed / seconds, queued / seconds)


def _run_seconds(instance: InstanceLook) -> float:
    """In run() since the start. Requests of one batch each have its whole time, hence times the runs."""
    return instance.stages.get("run", Times()).mean * instance.runs


def _idle(use: Use, look: Look) -> Finding:
    told = f"{look.concurrency} is set" if look.concurrency else "unset"
    return Finding(
        severity=Severity.NOTICE,
        what=f"requests wait, though run() works only {use.running:.0%} of the time",
        advice=f"other programs may use the machine's {look.host_cores} cores; else let the gateway send an instance "
        f"its next requests before it has answered: max_concurrent_requests_per_instance ({told})",
    )


def _unbatched(facts: Facts) -> Finding:
    if facts.kind == "model":
        return Finding(
            severity=Severity.ADVICE,
            what="requests wait for each other, and the model answers each one alone",
            advice="log the model with an input example of several rows, so that batches can be tried when it is "
            "loaded; the deployment's log says why they are not made",
        )
    return Finding(
        severity=Severity.ADVICE,
        what="requests wait for each other, and run() is called for each one alone",
        advice="many models predict 64 rows as fast as one: log the model with MLflow and deploy it without a "
        "script, and requests that wait are answered in one batch",
    )


def _too_few(look: Look) -> Finding:
    count, cores = look.instance_count, look.host_cores
    most = min(cores, count + cores - look.host_instances)
    if look.host_instances < cores and look.scaled:
        advice = f"let its autoscale run more: max: {most}, or a lower target_utilization_percentage"
    elif look.host_instances < cores:
        advice = f"set instance_count: {most}; `penstock doctor --load` measures how many a rate needs"
    else:
        advice = "the machine's cores are in use: make run() faster (see the other findings), or add a machine"
    return Finding(
        severity=Severity.ADVICE,
        what=f"requests wait while {count} instance{'s compute' if count != 1 else ' computes'} all the time",
        advice=advice,
    )


def _crowded(look: Look, use: Use) -> Finding:
    return Finding(
        severity=Severity.ADVICE,
        what=f"an instance waits {use.queued:.0%} of the time for a core of the machine to be free",
        advice=f"run fewer programs and threads on its {look.host_cores} cores, or add a machine; more instances would "
        "wait as well",
    )


def _blocked(look: Look, use: Use) -> Finding:
    return Finding(
        severity=Severity.ADVICE,
        what=f"run() computes in only {use.computing / use.running:.0%} of its time: it waits for something else",
        advice="find out what run() waits for: a database, a service, sleep; until then, instance_count may be higher "
        f"than the machine's {look.host_cores} cores",
    )


def _compilable(facts: Facts, look: Look, stages: Mapping[str, Times]) -> bool:
    if not any(word in name for name in facts.estimators for word in _ENSEMBLES):
        return False
    whole = sum(stages[s].p50 or 0.0 for s in ("parse", "validate", "run", "encode"))
    run = stages["run"].p50 or 0.0
    return run > _SLOW_PREDICT and run > whole * _RUN_SHARE and _rows(look.instances) <= _FEW_ROWS


def _rows(instances: Iterable[InstanceLook]) -> float:
    """Rows of a request, on average."""
    told = list(instances)
    answered = sum(i.answered for i in told)
    return sum(i.rows for i in told) / answered if answered else 1.0


def _uncompiled(facts: Facts, stages: Mapping[str, Times]) -> Finding:
    run, name = stages["run"].p50 or 0.0, " with ".join(facts.estimators)
    advice = "`penstock model compile` makes a version that answers the same and is many times faster for few rows"
    if facts.kind == "script":
        advice = f"log the model with MLflow and deploy it without a script; then {advice}"
    return Finding(severity=Severity.ADVICE, what=f"{name} takes {run * 1000:.1f} ms for a few rows", advice=advice)

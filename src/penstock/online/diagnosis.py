"""Why a deployment is slow: from what was observed to times by stage and findings with advice. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from penstock.domain.observation import (
    STAGES,
    Diagnosis,
    Evidence,
    Finding,
    InstanceLook,
    Look,
    Severity,
    Times,
    percentiles,
)
from penstock.online.growth import growth_findings
from penstock.online.happenings import trace_findings
from penstock.online.pressure import pressure_findings
from penstock.online.thread_pools import thread_findings

Spans = Sequence[Mapping[str, float]]

_SLOW_READING = 0.001  # seconds at the median: below it, nobody cares what share it has
_READING_SHARE = 0.3
_REMEMBERED = 1024  # requests that the gateway's averages are of
_ORDER = {Severity.SERIOUS: 0, Severity.ADVICE: 1, Severity.NOTICE: 2}


def diagnose(evidence: Evidence, spans: Spans) -> Diagnosis:
    """`spans` are the stages of the requests that were answered since the first look."""
    first, last = evidence.looks[0], evidence.looks[-1]
    stages = _stages(evidence, spans)
    findings = [
        *_failures(first, last),
        *trace_findings(evidence.traces),
        *thread_findings(last),
        *growth_findings(evidence.looks),
        *pressure_findings(evidence, stages),
        *_reading(stages),
        *_silence(evidence, last, spans),
    ]
    return Diagnosis(
        endpoint=last.endpoint,
        deployment=last.deployment,
        requests=max(0, last.requests - first.requests),
        seconds=_seconds(first, last),
        stages=stages,
        findings=tuple(sorted(findings, key=lambda f: _ORDER[f.severity])),
        traces=evidence.traces,
        capacity=evidence.capacity,
    )


def _stages(evidence: Evidence, spans: Spans) -> dict[str, Times]:
    """In the order in which a request goes through them. The gateway tells averages only."""
    worker = {stage: percentiles([span[stage] for span in spans]) for stage in STAGES}
    whole = sum(times.mean for times in worker.values())
    stages: dict[str, Times] = {}
    gateway = [_gateway(before, after) for before, after in _pairs(evidence.looks[0], evidence.looks[-1])]
    if gateway:
        stages["gateway queue"] = Times(mean=_mean(queue for queue, _ in gateway))
        stages["transport"] = Times(mean=max(0.0, _mean(response for _, response in gateway) - whole))
    stages |= worker
    if evidence.callers is not None:
        stages["whole, as a caller sees it"] = evidence.callers
    return stages


def _pairs(first: Look, last: Look) -> Iterable[tuple[InstanceLook | None, InstanceLook]]:
    """Each instance that was asked something, as it was at first, if it is the same process."""
    before = {(i.name, i.pid): i for i in first.instances}
    return [(before.get((i.name, i.pid)), i) for i in last.instances if i.requests]


def _gateway(before: InstanceLook | None, after: InstanceLook) -> tuple[float, float]:
    """Seconds in the gateway's queue, and until the instance had answered, of the requests between two looks.

    Its averages forget one 1024th with each request: what was remembered before is taken out again.
    """
    known = before or InstanceLook(name=after.name, at=0.0)
    kept = (1 - 1 / _REMEMBERED) ** max(1, after.requests - known.requests)

    def since(then: float, now: float) -> float:
        return max(0.0, (now - then * kept) / (1 - kept))

    earlier, later = known.gateway_connect + known.gateway_response, after.gateway_connect + after.gateway_response
    return since(known.gateway_queue, after.gateway_queue), since(earlier, later)


def _failures(first: Look, last: Look) -> Iterable[Finding]:
    before = {i.name: i for i in first.instances}
    failed = refused = 0
    for instance in last.instances:
        known = before.get(instance.name)
        known = known if known is not None and known.pid == instance.pid else None
        failed += instance.failed - (known.failed if known else 0)
        refused += instance.refused - (known.refused if known else 0)
    logs = f"penstock online-deployment get-logs -e {last.endpoint} -n {last.deployment}"
    if failed > 0:
        yield Finding(severity=Severity.SERIOUS, what=f"{failed} requests failed in run()", advice=f"see `{logs}`")
    if refused > 0:
        yield Finding(
            severity=Severity.NOTICE,
            what=f"{refused} requests were refused, as their input was wrong",
            advice="see what the answers with status 400 say",
        )


def _reading(stages: Mapping[str, Times]) -> Iterable[Finding]:
    reading = (stages["parse"].p50 or 0.0) + (stages["validate"].p50 or 0.0)
    whole = sum(stages[stage].p50 or 0.0 for stage in STAGES if stage != "wait")
    if reading > _SLOW_READING and reading > whole * _READING_SHARE:
        yield Finding(
            severity=Severity.ADVICE,
            what=f"reading the input takes {reading * 1000:.1f} ms of {whole * 1000:.1f} ms",
            advice='send numbers as lists of rows ("dataframe_split" or "inputs"), not as objects that repeat the '
            "column names, and only the columns that the model uses",
        )
    encode = stages["encode"].p50 or 0.0
    if encode > _SLOW_READING and encode > whole * _READING_SHARE:
        yield Finding(
            severity=Severity.ADVICE,
            what=f"writing the answer takes {encode * 1000:.1f} ms of {whole * 1000:.1f} ms",
            advice="return fewer or shorter values",
        )


def _silence(evidence: Evidence, last: Look, spans: Spans) -> Iterable[Finding]:
    """What could not be seen, so that nobody takes it for being well."""
    if not spans:
        yield Finding(
            severity=Severity.NOTICE,
            what="no request was answered while the doctor looked",
            advice="send some, or give their bodies with --requests",
        )
    dumb = [i for i in last.instances if i.facts is None]
    if dumb:
        yield Finding(
            severity=Severity.NOTICE,
            what=f"{len(dumb)} of {len(last.instances)} instances told nothing of themselves",
            where=", ".join(i.name for i in dumb[:3]),
            advice="they are busy for seconds, start just now, or are servers of your own in containers",
        )


def _seconds(first: Look, last: Look) -> float:
    return max(0.0, _latest(last.instances) - _latest(first.instances))


def _latest(instances: Iterable[InstanceLook]) -> float:
    return max((i.at for i in instances), default=0.0)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0

"""What the doctor says of what it has seen: the finding, its place and its advice, and nothing of what is well."""

from collections.abc import Sequence
from typing import Any

import pytest

from penstock.domain.observation import (
    Capacity,
    Diagnosis,
    Evidence,
    Facts,
    Finding,
    Happening,
    InstanceLook,
    Look,
    Pool,
    Severity,
    Step,
    Times,
    Trace,
)
from penstock.online.diagnosis import diagnose

MEGABYTE = 1_000_000


def facts(**changes: Any) -> Facts:
    return Facts(**{"cores": 8, "threads": 4, "memory_bytes": 100 * MEGABYTE, "batch_rows": 64, **changes})


def instance(at: float, answered: int, told: Facts | None, **changes: Any) -> InstanceLook:
    stages = {"run": Times(count=answered, mean=changes.pop("run", 0.001))}
    counts = {"answered": answered, "rows": answered, "runs": answered}
    return InstanceLook(
        name="e.d.1.0", at=at, pid=1, phase="ready", facts=told, **{"stages": stages, **counts, **changes}
    )


def look(*instances: InstanceLook, **changes: Any) -> Look:
    return Look(endpoint="e", deployment="d", instances=instances, **{"host_cores": 8, "host_instances": 1, **changes})


def spans(count: int = 100, **changes: float) -> Sequence[dict[str, float]]:
    usual = {"wait": 1e-5, "parse": 1e-5, "validate": 0.0, "run": 0.001, "encode": 1e-5, "rows": 1, "batch": 1}
    return [usual | changes] * count


def seen(
    told: Facts | None = None, *, cpu: float = 0.1, traces: Sequence[Trace] = (), run: float = 0.001, **changes: Any
) -> Diagnosis:
    """Of a deployment that is well but for what is given: 100 requests in one second."""
    told = told or facts()
    of_times = {name: changes.pop(name) for name in ("wait", "parse", "encode") if name in changes}
    of_looks = {
        name: changes.pop(name) for name in ("waiting", "host_cores", "host_instances", "scaled") if name in changes
    }
    before = look(instance(0.0, 0, told, run=run), **of_looks)
    after = look(instance(1.0, 100, told.model_copy(update={"cpu_seconds": cpu}), run=run, **changes), **of_looks)
    return diagnose(Evidence(looks=(before, after), traces=tuple(traces)), spans(run=run, **of_times))


def happening(kind: str, *, runs: int = 100, size: int = 0, name: str = "weights.bin") -> Trace:
    found = Happening(
        kind=kind, file="score.py", line=12, function="run", names=(name,), count=runs, runs=runs, bytes=size * runs
    )
    return Trace(runs=100, requests=100, read_bytes=0, happenings=(found,))


def only(diagnosis: Diagnosis) -> Finding:
    (finding,) = diagnosis.findings
    return finding


def test_nothing_is_said_of_a_deployment_that_is_well() -> None:
    diagnosis = seen()
    assert diagnosis.findings == ()
    assert (diagnosis.requests, diagnosis.seconds) == (100, 1.0)
    assert diagnosis.stages["run"].p50 == diagnosis.stages["run"].p99 == 0.001


@pytest.mark.parametrize(
    ("trace", "severity", "what", "advice"),
    [
        pytest.param(
            happening("file", size=31 * MEGABYTE),
            Severity.SERIOUS,
            "run() opens weights.bin (31 MB) in every call",
            "in init()",
            id="a large file in every call",
        ),
        pytest.param(
            happening("file", size=500),
            Severity.ADVICE,
            "run() opens weights.bin (500 bytes) in every call",
            "in init()",
            id="a small one",
        ),
        pytest.param(
            happening("import", runs=1, name="pandas"),
            Severity.ADVICE,
            "run() imports pandas in 1 of 100 calls",
            "at the top of the file",
            id="an import at first",
        ),
        pytest.param(
            happening("connection", name="('db', 5432)"),
            Severity.SERIOUS,
            "run() connects to ('db', 5432) in every call",
            "keep the connection",
            id="a connection for each request",
        ),
        pytest.param(
            happening("process", name="/bin/ls"),
            Severity.SERIOUS,
            "run() starts /bin/ls in every call",
            "within Python",
            id="a process for each request",
        ),
    ],
)
def test_what_run_does_besides_computing_is_told_with_its_line(
    trace: Trace, severity: Severity, what: str, advice: str
) -> None:
    finding = only(seen(traces=[trace]))
    assert (finding.severity, finding.what, finding.where) == (severity, what, "score.py:12 in run()")
    assert advice in finding.advice


def test_the_same_line_in_two_instances_is_one_finding() -> None:
    trace = happening("file", size=MEGABYTE * 2)
    assert only(seen(traces=[trace, trace])).what == "run() opens weights.bin (2.0 MB) in every call"


def test_what_is_read_past_python_is_found_by_its_bytes() -> None:
    finding = only(seen(traces=[Trace(runs=10, requests=10, read_bytes=300 * MEGABYTE)]))
    assert "reads 30 MB per call in a library's own code" in finding.what


@pytest.mark.parametrize(
    ("told", "instances", "severity", "what"),
    [
        pytest.param(
            {"pools": (Pool(library="libopenblas.so", threads=8),)}, 1, None, "", id="one instance, all cores"
        ),
        pytest.param(
            {"pools": (Pool(library="libopenblas.so", threads=8),)},
            4,
            Severity.SERIOUS,
            "8 threads (libopenblas.so), where 4 instances run on 8 cores",
            id="four instances with all cores each",
        ),
        pytest.param(
            {"thread_variables": {"OMP_NUM_THREADS": "4"}},
            4,
            Severity.ADVICE,
            "4 threads (OMP_NUM_THREADS=4)",
            id="what a variable says",
        ),
        pytest.param({"thread_variables": {"OMP_NUM_THREADS": "1"}}, 8, None, "", id="one thread each"),
        pytest.param(
            {"threads": 40}, 1, Severity.SERIOUS, "40 threads (threads of the process)", id="nobody knows why"
        ),
    ],
)
def test_more_threads_than_cores_are_found(
    told: dict[str, Any], instances: int, severity: Severity | None, what: str
) -> None:
    findings = seen(facts(**told), host_instances=instances).findings
    assert [f.severity for f in findings] == ([severity] if severity else [])
    assert all(what in f.what and "OMP_NUM_THREADS" in f.advice for f in findings)


@pytest.mark.parametrize(
    ("megabytes", "grows"),
    [
        pytest.param([100, 110, 120, 130, 140], True, id="with every request"),
        pytest.param([100, 140, 140, 140, 140], False, id="at first only"),
        pytest.param([100, 101, 100, 102, 101], False, id="the allocator's noise"),
        pytest.param([140, 130, 120, 110, 100], False, id="down"),
    ],
)
def test_memory_that_grows_with_requests_is_told_per_request(megabytes: list[int], *, grows: bool) -> None:
    looks = [look(instance(n, 100 * n, facts(memory_bytes=size * MEGABYTE))) for n, size in enumerate(megabytes)]
    findings = diagnose(Evidence(looks=tuple(looks)), spans()).findings
    assert [f.what for f in findings] == (["memory grows by 100 kB per request"] if grows else [])


@pytest.mark.parametrize(
    ("batch_rows", "cpu", "busy", "whats"),
    [
        pytest.param(64, 0.95, 0.95, ["computes all the time"], id="batched and busy: more instances"),
        pytest.param(0, 0.95, 0.95, ["for each one alone", "computes all the time"], id="a script: batches too"),
        pytest.param(64, 0.1, 0.95, ["computes in only 11% of its time"], id="run() waits for something"),
        pytest.param(0, 0.05, 0.05, ["works only 5% of the time"], id="the instance has nothing to do"),
    ],
)
def test_what_helps_waiting_requests_depends_on_what_the_instance_does(
    batch_rows: int, cpu: float, busy: float, whats: list[str]
) -> None:
    findings = seen(facts(batch_rows=batch_rows), cpu=cpu, run=busy / 100, wait=0.05).findings
    assert len(findings) == len(whats)
    assert all(any(what in f.what for f in findings) for what in whats)


def test_no_more_instances_are_advised_than_the_machine_has_cores() -> None:
    advice = only(seen(cpu=0.95, run=0.0095, wait=0.05, host_cores=4, host_instances=2)).advice
    assert "instance_count: 3" in advice
    full = only(seen(cpu=0.95, run=0.0095, wait=0.05, host_cores=2, host_instances=2)).advice
    assert "instance_count" not in full
    scaled = only(seen(cpu=0.95, run=0.0095, wait=0.05, host_cores=4, host_instances=2, scaled=True)).advice
    assert "max: 3" in scaled
    assert "instance_count" not in scaled


def test_a_tree_ensemble_that_is_slow_for_one_row_should_be_compiled() -> None:
    forest = facts(kind="model", estimators=("sklearn.RandomForestClassifier",))
    finding = only(seen(forest, run=0.009))
    assert finding.what == "sklearn.RandomForestClassifier takes 9.0 ms for a few rows"
    assert "penstock model compile" in finding.advice
    assert seen(forest, run=0.0002).findings == ()  # fast enough
    assert seen(forest, run=0.009, rows=10_000).findings == ()  # large requests
    assert seen(facts(estimators=("sklearn.LinearRegression",)), run=0.009).findings == ()


def test_failures_slow_input_and_silence_are_told() -> None:
    assert "3 requests failed in run()" in only(seen(failed=3)).what
    assert "reading the input takes 4.0 ms" in only(seen(parse=0.004)).what
    assert "writing the answer takes 4.0 ms" in only(seen(encode=0.004)).what
    quiet = diagnose(Evidence(looks=(look(instance(0, 5, None)),)), [])
    assert {f.what for f in quiet.findings} == {
        "no request was answered while the doctor looked",
        "1 of 1 instances told nothing of themselves",
    }


def test_stages_come_in_the_order_of_a_request_and_the_gateway_tells_averages() -> None:
    before = instance(0.0, 5_000, facts(), gateway_queue=0.1)
    after = instance(1.0, 20_000, facts(), gateway_queue=0.002, gateway_response=0.003)
    evidence = Evidence(looks=(look(before), look(after)), callers=Times(count=10, mean=0.006, p50=0.006))
    stages = diagnose(evidence, spans()).stages
    assert list(stages) == [
        "gateway queue", "transport", "wait", "parse", "validate", "run", "encode", "whole, as a caller sees it",
    ]  # fmt: skip
    assert stages["gateway queue"].mean == pytest.approx(0.002, abs=1e-6)
    assert stages["transport"].mean == pytest.approx(0.003 - 0.00103, abs=1e-6)


def test_what_the_gateway_remembers_from_before_is_not_held_against_these_requests() -> None:
    before, after = (
        instance(0.0, 5_000, facts(), gateway_queue=0.1),
        instance(1.0, 5_100, facts(), gateway_queue=0.0907),
    )
    diagnosis = diagnose(Evidence(looks=(look(before), look(after))), spans())
    assert diagnosis.stages["gateway queue"].mean < 0.0001
    assert diagnosis.findings == ()


def test_a_machine_that_is_full_is_told_from_a_run_that_waits() -> None:
    crowded = [
        look(instance(at, 100 * n, facts(cpu_seconds=cpu, queued_seconds=queued), run=0.0095))
        for n, (at, cpu, queued) in enumerate([(0.0, 0.0, 0.0), (1.0, 0.4, 0.5)])
    ]
    finding = only(diagnose(Evidence(looks=tuple(crowded)), spans(wait=0.05)))
    assert "waits 50% of the time for a core" in finding.what


def test_load_alone_shows_what_waits() -> None:
    step = Step(connections=8, seconds=1, rate=100, p50=0.08, p99=0.1)
    load = Capacity(
        target=0.1,
        rate=100,
        p99=0.1,
        connections=8,
        instances=1,
        confirmed=True,
        generator_limited=False,
        steps=(step,),
    )
    busy = facts(batch_rows=0)
    looks = (
        look(instance(0.0, 0, busy, run=0.009)),
        look(instance(1.0, 100, busy.model_copy(update={"cpu_seconds": 0.9}), run=0.009)),
    )
    findings = diagnose(Evidence(looks=looks, capacity=load), spans(run=0.009)).findings
    assert any("for each one alone" in f.what for f in findings)

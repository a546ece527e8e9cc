"""A compilation from job to outcome: convert, compare, measure; what answers otherwise is not kept."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock_worker.compiler import folder, original
from penstock_worker.compiler.attempts import Attempt, attempts
from penstock_worker.compiler.comparison import Comparison
from penstock_worker.compiler.contract import CONVERT, MATCH, SPEED
from penstock_worker.compiler.conversion import convert, write_facts
from penstock_worker.compiler.data import Rows
from penstock_worker.compiler.odd_values import refusals
from penstock_worker.compiler.report import CompileError
from penstock_worker.compiler.speed import timings
from penstock_worker.trace import summary, user_traceback

if TYPE_CHECKING:
    from penstock_worker.compiler.contract import Job
    from penstock_worker.compiler.original import Original
    from penstock_worker.compiler.report import Report


@dataclass(frozen=True)
class _Candidate:
    """A compiled model that was compared with the original."""

    attempt: Attempt
    pyfunc: Any
    facts: dict[str, Any]
    comparison: Comparison


def compile_model(job: Job, report: Report) -> None:
    """Make the folder `job.output`, and tell the outcome. Raises `CompileError`.

    1. Each attempt is converted and compared with the original row by row, until one has no row that differs.
    2. What the original refuses (missing values, infinities) the compiled model is told to refuse.
    3. The time of both is taken. If no attempt answers alike, the outcome is that of the one with the fewest rows.
    """
    report.say(CONVERT, "Loading", f"model {job.name} is being loaded")
    model = original.load(Path(job.model), job.name)
    ways = attempts(model.subject, job.format)
    if not ways:
        message = f"model {job.name} ({model.subject.shown}) cannot be compiled to {job.format}"
        raise CompileError(CONVERT, "NotSupported", f"{message}: give --format auto")
    rows = Rows(model, Path(job.data), job.rows)
    tried = _best(job, model, rows, ways, report)
    timed: list[dict[str, Any]] = []
    outcome = {**_told(job, tried), "timings": timed}
    if tried.comparison.differing:
        message = f"{tried.comparison.differing} of {tried.comparison.rows} rows differ ({tried.attempt})"
        report.end(MATCH, "Compared", message, outcome)
        return
    report.say(MATCH, "Compared", f"{tried.comparison.rows} rows answer alike ({tried.attempt})")
    for timing in timings(model, tried.pyfunc, rows):
        timed.append(timing)
        report.far(SPEED, "Measuring", f"{timing['rows']} rows a call")
    outcome["bytes_before"] = folder.size_of(Path(job.model))
    outcome["bytes_after"] = folder.size_of(Path(job.output))
    report.end(SPEED, "Measured", "", outcome)


def _best(job: Job, model: Original, rows: Rows, ways: list[Attempt], report: Report) -> _Candidate:
    """The first attempt that answers alike, else the one that does so for most rows. Its folder is the output."""
    best: _Candidate | None = None
    errors: list[CompileError] = []
    for attempt in ways:
        target = Path(f"{job.output}.tried")
        shutil.rmtree(target, ignore_errors=True)
        try:
            candidate = _candidate(job, model, rows, attempt, report, target)
        except CompileError as error:
            errors.append(error)
            continue
        if best is None or candidate.comparison.differing < best.comparison.differing:
            shutil.rmtree(job.output, ignore_errors=True)
            target.rename(job.output)
            best = candidate
        if not candidate.comparison.differing:
            break
    if best is None:
        raise errors[0]
    return best


def _candidate(job: Job, model: Original, rows: Rows, attempt: Attempt, report: Report, target: Path) -> _Candidate:
    report.say(CONVERT, "Converting", f"{model.subject.shown} to {attempt}")
    data = folder.write(model, target, attempt.format, job.options)
    facts = convert(model, attempt, rows, data)
    write_facts(data, facts)
    facts.update(refusals(model, _load(target, model, attempt).predict, rows, job.tolerance))
    write_facts(data, facts)
    compiled = _load(target, model, attempt)
    report.say(CONVERT, "Converted", f"{model.subject.shown} to {attempt}")
    return _Candidate(attempt, compiled, facts, _compared(job, model, compiled, rows, report))


def _load(target: Path, model: Original, attempt: Attempt) -> Any:
    try:
        return importlib.import_module("mlflow.pyfunc").load_model(str(target))
    except Exception as error:
        message = f"model {model.name} ({model.subject.shown}) as {attempt} does not load: {summary(error)}"
        raise CompileError(CONVERT, "NotLoadable", message) from error


def _compared(job: Job, model: Original, compiled: Any, rows: Rows, report: Report) -> Comparison:
    """Answers to all rows, through MLflow's `predict` on both sides. Raises `CompileError` if the original fails."""
    comparison = Comparison(job.tolerance)
    for data in rows.batches():
        try:
            expected = model.pyfunc.predict(data)
        except Exception as error:
            rows_ = f"rows {comparison.rows} to {comparison.rows + len(data) - 1}"
            message = f"model {model.name} itself cannot predict {rows_} of the data: {summary(error)}"
            raise CompileError(MATCH, "OriginalFails", message, user_traceback(error)) from error
        comparison.add(expected.tolist(), _answers(compiled, data))
        report.far(MATCH, "Comparing", f"{comparison.rows} of {rows.count} rows")
    return comparison


def _answers(compiled: Any, data: Any) -> list[Any]:
    """What the compiled model answers; its errors stand in the place of answers, and so differ from all of them."""
    try:
        return compiled.predict(data).tolist()
    except Exception as error:  # noqa: BLE001 - which of the rows it is does not come with it
        return [summary(error)] * len(data)


def _told(job: Job, tried: _Candidate) -> dict[str, Any]:
    comparison, facts = tried.comparison, tried.facts
    return {
        "format": tried.attempt.format,
        "dtype": facts["array_dtype"],
        "attempt": str(tried.attempt),
        "tolerance": job.tolerance,
        "rows": comparison.rows,
        "differing": comparison.differing,
        "max_difference": comparison.max_difference,
        "worst": comparison.worst,
        "nan_refused": facts["nan_refused"],
        "infinity_refused": facts["infinity_refused"],
    }

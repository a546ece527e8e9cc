"""The conditions of a validation, from what is seen of model and process. Pure."""

from collections.abc import Callable, Iterator, Sequence

from penstock.domain.artifact import Entry
from penstock.domain.resource import Truth
from penstock.online.preflight import duration, mebibytes
from penstock.preparation.building import Failure
from penstock.preparation.model_checks import ModelFacts
from penstock_worker import contract

Row = tuple[str, Truth, str, str]  # name, truth, reason, message
Say = Callable[[Row], None]

CONTAINER_ROW: Row = (
    "Load",
    Truth.UNKNOWN,
    "NotTried",
    "its environment is an image, and containers are started for deployments only: create one without traffic",
)

_OF_SAMPLE = (contract.SAMPLE_FAILED, contract.SAMPLE_TIMED_OUT)


def file_row(entries: Sequence[Entry]) -> Row:
    """Of the model's files."""
    size = sum(entry.size for entry in entries)
    return "Files", Truth.TRUE, "Present", f"{len(entries)} files, {size_told(size)}"


def model_rows(basename: str, facts: ModelFacts | None, script: str | None) -> Iterator[Row]:
    """Of a model that was resolved; `facts` are an MLflow model's, `script` is the scoring script, if there is one."""
    served = f", served by {script}" if script is not None else ""
    if facts is None:
        yield "Model", Truth.TRUE, "Resolved", f"custom model {basename!r}{served}"
        return
    yield "Model", Truth.TRUE, "Resolved", f"MLflow model {basename!r}: {facts.made_with}{served}"
    if script is not None:
        return
    if facts.notices:
        yield "Signature", Truth.UNKNOWN, "ExampleDisagrees", "; ".join(facts.notices)
    elif facts.signature:
        yield "Signature", Truth.TRUE, "Consistent", facts.signature
    else:
        yield "Signature", Truth.UNKNOWN, "NoSignature", "none, so requests are not checked: log the model with one"


def start_rows(report: contract.Report | None) -> Iterator[Row]:
    """Of a process that has started, or is on its way."""
    if report is None or not report.load_seconds:
        yield "Load", Truth.UNKNOWN, "Loading", "the model is being loaded"
        return
    yield _loaded(report)
    if report.phase != contract.READY:
        yield "Prediction", Truth.UNKNOWN, "Trying", f"the {report.sample} is being tried"
        return
    if report.sample:
        scored = f"{report.sample} scored in {duration(report.sample_seconds)}"
        yield "Prediction", Truth.TRUE, "Scored", "; ".join((scored, *report.notices))
        yield "Output", Truth.TRUE, "Serialisable", "it has a JSON form"
    else:
        yield "Prediction", Truth.UNKNOWN, "NotTried", "; ".join(report.notices)
    if report.memory_bytes:
        most = mebibytes(report.peak_memory_bytes)
        yield "Memory", Truth.TRUE, "Measured", f"{mebibytes(report.memory_bytes)} resident, {most} at most so far"


def failure_rows(failure: Failure, report: contract.Report | None) -> Iterator[Row]:
    """Of something that ended the validation; `report` is what the process has said, if one was started."""
    if failure.step != "Preflight":
        yield failure.step, Truth.FALSE, failure.reason, failure.message
    elif report is None or not report.load_seconds:
        yield "Load", Truth.FALSE, failure.reason, failure.message
    elif failure.reason == contract.OUTPUT_NOT_SERIALISABLE:
        yield _loaded(report)
        yield "Prediction", Truth.TRUE, "Answered", f"the {report.sample} was answered"
        yield "Output", Truth.FALSE, failure.reason, failure.message
    elif failure.reason in _OF_SAMPLE or report.sample:
        yield _loaded(report)
        yield "Prediction", Truth.FALSE, failure.reason, failure.message
    else:
        yield "Load", Truth.FALSE, failure.reason, failure.message


def _loaded(report: contract.Report) -> Row:
    return "Load", Truth.TRUE, "Loaded", f"loaded in {duration(report.load_seconds)}"


def size_told(size: int) -> str:
    """Bytes in words."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"

"""One prediction before the first caller's, on the same path as theirs: it proves the model and warms it up."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker import contract
from penstock_worker.failure import LoadError, failure_of
from penstock_worker.kinds import is_object
from penstock_worker.messages import BadInputError, Request, Response
from penstock_worker.outputs import place_of_fault
from penstock_worker.trace import place_in_stack, stack_of, summary

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from penstock_worker.entry import Call, Entry
    from penstock_worker.samples import Sample

_HEADERS = {b"content-type": b"application/json", b"host": b"localhost", b"x-request-id": b"sample-request"}
_SHOWN_BODY = 300  # bytes


@dataclass(frozen=True)
class Trial:
    """What is tried, and how messages name it.

    `what` is `run() in score.py`; `root` is the folder of the author's code. After `timeout` seconds `on_timeout` is
    called from another thread, and should end the process; `request_timeout` is how long callers wait, if known.
    """

    entry: Entry
    what: str
    root: Path
    memory_bytes: int | None
    timeout: float
    request_timeout: float | None
    on_timeout: Callable[[LoadError], object]


@dataclass(frozen=True)
class Tried:
    """The outcome: how long it took, and sentences that the author should read."""

    seconds: float = 0.0
    notices: tuple[str, ...] = ()


def try_sample(trial: Trial, sample: Sample) -> Tried:
    """Answer `sample` as a request. Raises `LoadError` if that fails.

    An input example that the model's signature refuses is no failure: it becomes a notice, with no prediction made.
    """
    began = time.monotonic()
    with _bounded(trial, sample):
        try:
            call = trial.entry.read(Request("POST", contract.SCORE_ROUTE, "", _HEADERS, sample.body))
            result = trial.entry.run(call)
        except BadInputError as error:
            refused = f"{sample.name} is refused: {_message(error)}"
            if sample.from_model:
                return Tried(notices=(f"no prediction was tried: {refused}",))
            raise LoadError(contract.SAMPLE_FAILED, refused) from error
        except BaseException as error:  # sys.exit() in run() is a failure as any other
            what = f"{trial.what} failed on {sample.name}:"
            raise failure_of(contract.SAMPLE_FAILED, what, error, trial.root, trial.memory_bytes) from error
        response = _answered(trial, sample, call, result)
    if response.status >= 400:
        shown = response.body[:_SHOWN_BODY].decode("utf-8", "replace")
        message = f"{trial.what} answered {sample.name} with status {response.status}: {shown}"
        raise LoadError(contract.SAMPLE_FAILED, message)
    return _timed(time.monotonic() - began, trial.request_timeout)


def _answered(trial: Trial, sample: Sample, call: Call, result: Any) -> Response:
    try:
        return call.answer(result)
    except Exception as error:
        where = place_of_fault(result, call.answer)
        raise LoadError(
            contract.OUTPUT_NOT_SERIALISABLE,
            f"{trial.what} returned for {sample.name} what has no JSON form: {where} ({summary(error)}); return lists, "
            "dicts, strings and numbers, as .tolist() makes them of an array",
        ) from error


def _timed(seconds: float, request_timeout: float | None) -> Tried:
    if request_timeout is None or seconds <= request_timeout:
        return Tried(seconds)
    notice = (
        f"that is longer than request_timeout_ms ({request_timeout * 1000:.0f}): callers get 408 if it is not the "
        "first request alone that takes so long"
    )
    return Tried(seconds, (notice,))


@contextmanager
def _bounded(trial: Trial, sample: Sample) -> Generator[None]:
    """Call `on_timeout` if what is within takes too long; once it has ended, not any more."""
    lock, ended, thread = threading.Lock(), threading.Event(), threading.get_ident()

    def expire() -> None:
        with lock:
            if not ended.is_set():
                message = f"{trial.what} did not answer {sample.name} within {trial.timeout:g} s"
                where = place_in_stack(thread, trial.root)
                trial.on_timeout(LoadError(contract.SAMPLE_TIMED_OUT, message + where, stack_of(thread)))

    timer = threading.Timer(trial.timeout, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            ended.set()


def _message(error: BadInputError) -> str:
    inner = error.body.get("error")
    told = inner.get("message") if is_object(inner) else error.body.get("message")
    return str(told)

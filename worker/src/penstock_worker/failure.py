"""Why a script or model could not be loaded, in the words of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker import contract
from penstock_worker.advice import advice
from penstock_worker.memory import lift_limit, ran_out
from penstock_worker.trace import place, summary, user_traceback

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class LoadError(Exception):
    """Loading ended here. The fields are those of `contract.Report`."""

    def __init__(self, reason: str, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.traceback = traceback


def failure_of(
    reason: str,
    what: str,
    error: BaseException,
    root: Path,
    memory_bytes: int | None,
    flavors: Mapping[str, Any] | None = None,
) -> LoadError:
    """The failure for `error`, raised while `what` was done with code or a model under `root`.

    `what` is a sentence without its end: `init() in score.py raised`. `flavors` are those of the model's MLmodel file.
    Takes the memory limit away if that was hit.
    """
    if memory_bytes is not None and ran_out(error):
        lift_limit()
        reason = contract.MEMORY_LIMIT_EXCEEDED
        what = f"the limit of {memory_bytes:,} bytes of memory was exceeded: {what}"
    message = f"{what} {summary(error)}{place(error, root)}{advice(error, flavors)}"
    return LoadError(reason, message, user_traceback(error))

"""What of a task's failure is told, and under which reason."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from penstock_worker import batch_contract, memory
from penstock_worker.batch_contract import Result, Task
from penstock_worker.failure import failure_of
from penstock_worker.trace import chain

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_TRACEBACK = 64 * 1024  # characters, from its end
_LONGEST_MESSAGE = 8 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Of a disk, a network or a process that has too much open: nothing is wrong with the file that was about to be read.
_PASSING = (
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
    *(errno.ENOTCONN, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH),
)


class TaskFailedError(Exception):
    """A task cannot be done. `reason` is one of `batch_contract`; nothing of the user's code is to blame."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class EndedError(BaseException):
    """The process has been told to end. No failure of what it was doing, and nothing to be told of."""


def failed(task: Task, what: str, error: BaseException, root: Path, memory_bytes: int | None) -> Result:
    """The result of `task`, which `error` has ended.

    `what` is the beginning of a sentence: `run() in score.py raised`. `root` is the folder of the user's code or model.
    """
    if isinstance(error, TaskFailedError):
        return Result(task.id, task.attempt, "", error.reason, str(error)[:_LONGEST_MESSAGE])
    reason = batch_contract.NO_SPACE if is_full(error) else batch_contract.RUN_FAILED
    told = failure_of(reason, what, error, root, memory_bytes)
    if memory_bytes is not None and memory.ran_out(error):
        memory.limit_memory(memory_bytes)  # lifted for the sake of telling
    message, traceback = told.message[:_LONGEST_MESSAGE], told.traceback[-_LONGEST_TRACEBACK:]
    return Result(task.id, task.attempt, "", reason, message, traceback)


def not_stored(error: OSError) -> TaskFailedError:
    """Why a task has failed whose output cannot be written: no fault of the user's code."""
    reason = batch_contract.NO_SPACE if is_full(error) else batch_contract.RUN_FAILED
    return TaskFailedError(reason, f"its output cannot be written: {error.strerror or error}")


def is_full(error: BaseException) -> bool:
    """True if `error` comes from a disk, or a share of it, that is full."""
    return any(isinstance(link, OSError) and link.errno in _FULL for link in chain(error))


def is_passing(error: BaseException) -> bool:
    """True if `error` comes from a fault around files that another try may not meet."""
    return any(isinstance(link, OSError) and link.errno in _PASSING for link in chain(error))

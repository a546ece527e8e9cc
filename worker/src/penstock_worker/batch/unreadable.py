"""What is said of an input that cannot be read."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from penstock_worker.batch.failing import TaskFailedError, is_full, is_passing
from penstock_worker.batch_contract import INPUT_UNREADABLE, RUN_FAILED
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from collections.abc import Generator


class UnreadableError(TaskFailedError):
    """One file, or its kind, cannot be read. It is set aside, and the job goes on."""


def unreadable(message: str) -> UnreadableError:
    return UnreadableError(INPUT_UNREADABLE, message)


def misread(message: str, name: str, error: BaseException) -> TaskFailedError:
    """What is said of the file `name`, whose reading has raised `error`: an `UnreadableError` with `message`; of a
    passing fault, that the task has failed of it, which is done again then."""
    if is_passing(error):
        return TaskFailedError(RUN_FAILED, f"{name} cannot be read at this moment: {error}")
    return unreadable(message)


@contextmanager
def reading_of(name: str) -> Generator[None]:
    """Around all that decodes the file `name`: what decoders raise becomes what `misread` says."""
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, TypeError, NotImplementedError, zlib.error) as error:
        if is_full(error):
            raise
        told = summary(error).partition(": ")[2] or summary(error)
        raise misread(f"the file cannot be read: {told.strip()}", name, error) from error

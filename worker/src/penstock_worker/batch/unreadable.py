"""What is said of an input that cannot be read."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from penstock_worker.batch.failing import TaskFailedError, is_full
from penstock_worker.batch_contract import INPUT_UNREADABLE
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from collections.abc import Generator


class UnreadableError(TaskFailedError):
    """One file, or its kind, cannot be read. It is set aside, and the job goes on."""


def unreadable(message: str) -> UnreadableError:
    return UnreadableError(INPUT_UNREADABLE, message)


@contextmanager
def reading_of(what: str) -> Generator[None]:
    """Around all that decodes: what decoders raise becomes an `UnreadableError` that says what was being read."""
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, TypeError, NotImplementedError, zlib.error) as error:
        if is_full(error):
            raise
        told = summary(error).partition(": ")[2] or summary(error)
        raise unreadable(f"{what} cannot be read: {told.strip()}") from error

"""The one error of the platform: a code that machines act on and a sentence that people act on."""

import errno
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path


class Code(StrEnum):
    """What kind of failure it is. `api/errors.py` maps each to an HTTP status, `client.py` maps it back."""

    INVALID = "invalid"  # the caller's input is wrong
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"  # right in itself, but not in the present state
    DENIED = "denied"  # no or wrong credentials
    UNAVAILABLE = "unavailable"  # may work later
    FAILED = "failed"  # the user's own model, script or environment failed
    INTERNAL = "internal"  # a fault of the platform


class PenstockError(Exception):
    """An error that may be shown to its user.

    `message` names the object, what is wrong and what to do. `details` carries more for those who ask:
    a traceback, the last lines of a build, the fields that two writers both changed.
    """

    def __init__(self, code: Code, message: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: dict[str, str] = dict(details or {})


def invalid(message: str, details: Mapping[str, str] | None = None) -> PenstockError:
    return PenstockError(Code.INVALID, message, details)


def not_found(message: str) -> PenstockError:
    return PenstockError(Code.NOT_FOUND, message)


def conflict(message: str, details: Mapping[str, str] | None = None) -> PenstockError:
    return PenstockError(Code.CONFLICT, message, details)


def unavailable(message: str) -> PenstockError:
    return PenstockError(Code.UNAVAILABLE, message)


def failed(message: str, details: Mapping[str, str] | None = None) -> PenstockError:
    return PenstockError(Code.FAILED, message, details)


@contextmanager
def full_disk_named(folder: Path) -> Generator[None]:
    """Turns the system's error for a full disk (or quota) into an `unavailable` one that names `folder`."""
    try:
        yield
    except OSError as err:
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            raise unavailable(f"the disk that holds {folder} is full: free some space and try again") from err
        raise

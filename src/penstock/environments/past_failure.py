"""Failures of builds, kept beside them, so that nothing is built again and again in vain, also after a restart."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from penstock import durable
from penstock.domain.errors import Code, PenstockError

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class PastFailure:
    """How a build failed, and for how many times in a row."""

    code: str
    message: str
    details: dict[str, str]
    at: str  # ISO 8601, in UTC
    attempts: int

    def error(self) -> PenstockError:
        return PenstockError(Code(self.code), self.message, self.details)


def due_again(failure: PastFailure, now: datetime) -> bool:
    """True if it is worth another try unasked: for what was unavailable, after a pause that grows with each try."""
    if failure.code != Code.UNAVAILABLE:
        return False
    pause = min(_FIRST_PAUSE * 2 ** min(failure.attempts - 1, 10), _LONGEST_PAUSE)
    waited = now - datetime.fromisoformat(failure.at)
    return waited >= pause or waited < timedelta(0)  # a clock that was set back must not lengthen the pause


def read_failure(file: Path) -> PastFailure | None:
    """The failure that is kept in `file`; None if there is none that can be read."""
    try:
        failure = PastFailure(**json.loads(file.read_bytes()))
        datetime.fromisoformat(failure.at)
        Code(failure.code)
    except (OSError, ValueError, TypeError):
        return None
    return failure


def write_failure(file: Path, error: PenstockError, now: datetime, before: PastFailure | None) -> None:
    """Keep `error`, which comes after `before`. A full disk, which may be what failed, loses it."""
    attempts = before.attempts + 1 if before else 1
    failure = PastFailure(
        code=error.code, message=error.message, details=error.details, at=now.isoformat(), attempts=attempts
    )
    with suppress(OSError):
        durable.replace(file, json.dumps(asdict(failure)).encode())

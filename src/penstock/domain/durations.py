"""Spans of time as people write them: `30d`, `12h`, `90m`, `45s`, `100ms`."""

import re
from datetime import timedelta

from penstock.domain.errors import invalid

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,5})(ms|[smhdw])\Z")


def duration(text: str) -> timedelta:
    """The time that `text` means; raises `invalid`."""
    match = _DURATION.match(text.strip())
    if match is None:
        raise invalid(f"duration {text!r} is not understood: write for example 30d, 12h or 90m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})

"""Spans of time as people write them: `30d`, `12h`, `90m`, `45s`, `100ms`, `1h30m`; and as Azure does: `PT5M`."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from penstock.domain.errors import PenstockError, invalid

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,5})(ms|[smhdw])\Z")
_PARTS = re.compile(r"(?:([0-9]{1,5})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,5})s)?\Z")
_ISO = re.compile(r"P(?:([0-9]{1,5})D)?(?:T(?:([0-9]{1,5})H)?(?:([0-9]{1,5})M)?(?:([0-9]{1,5})(?:\.0+)?S)?)?\Z")
_CLOCK = re.compile(r"(?:([0-9]{1,5})\.)?([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.0+)?\Z")  # how .NET and Python write it


def duration(text: str) -> timedelta:
    """The time that `text` means; raises `invalid`."""
    match = _DURATION.match(text.strip())
    if match is None:
        raise invalid(f"duration {text!r} is not understood: write for example 30d, 12h or 90m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def span(text: str) -> timedelta:
    """The whole seconds that `text` means, in any of the ways above; raises `invalid`."""
    word = text.strip()
    for form in (_PARTS, _ISO, _CLOCK):
        match = form.match(word)
        if match is not None and any(match.groups()):
            days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    raise invalid(f"span of time {text[:40]!r} is not understood: write for example 5m, 90s, 1h30m or PT5M")


def span_text(value: timedelta) -> str:
    """A span as people write it, which `span` reads: 5m, 90s, 1h30m."""
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    if minutes < 2 and seconds:
        return f"{60 * minutes + seconds}s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def _read(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return span(value)
    except PenstockError as err:
        raise ValueError(err.message) from None


Span = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(span_text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["5m", "90s", "PT5M"]}),
]

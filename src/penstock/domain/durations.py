"""Spans of time as people write them: `30d`, `12h`, `90m`, `100ms`, `1h30m`, seconds alone; as Azure does: `PT5M`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from penstock.domain.errors import PenstockError, invalid

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,5})(ms|[smhdw])\Z")
_SECONDS = re.compile(r"(?P<seconds>[0-9]{1,8}(?:\.[0-9]{1,6})?)\Z")
_PARTS = re.compile(
    r"(?=[0-9])(?:(?P<days>[0-9]{1,5})d)?(?:(?P<hours>[0-9]{1,5})h)?(?:(?P<minutes>[0-9]{1,5})m)?"
    r"(?:(?P<seconds>[0-9]{1,5})s)?\Z"
)
_ISO = re.compile(
    r"P(?=[0-9T])(?:(?P<weeks>[0-9]{1,4})W)?(?:(?P<days>[0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,5})H)?(?:(?P<minutes>[0-9]{1,6})M)?"
    r"(?:(?P<seconds>[0-9]{1,8}(?:\.[0-9]{1,6})?)S)?)?\Z"
)
_CLOCK = re.compile(  # how .NET and Python write it
    r"(?:(?P<days>[0-9]{1,5})\.)?(?P<hours>[0-9]{1,2}):(?P<minutes>[0-9]{2}):(?P<seconds>[0-9]{2}(?:\.[0-9]{1,6})?)\Z"
)


def duration(text: str) -> timedelta:
    """The time that `text` means; raises `invalid`."""
    match = _DURATION.match(text.strip())
    if match is None:
        raise invalid(f"duration {text!r} is not understood: write for example 30d, 12h or 90m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def span(value: object) -> timedelta:
    """The time that a file's value means, in any of the ways above; a number is seconds. Raises `invalid`."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()[:50]
    if _DURATION.match(text):
        return duration(text)
    for form in (_SECONDS, _PARTS, _ISO, _CLOCK):
        match = form.match(text)
        if match is not None:
            return timedelta(**{unit: float(number) for unit, number in match.groupdict().items() if number})
    raise invalid(f"span of time {text!r} is not understood: write for example 5m, 90s, 1h30m or PT5M")


def span_text(value: timedelta) -> str:
    """A span as people write it, which `span` reads: 5m, 90s, 1h30m, 1500ms."""
    milliseconds = round(value.total_seconds() * 1000)
    if milliseconds % 1000:
        return f"{milliseconds}ms" if milliseconds < 100_000 else f"{milliseconds / 1000:.3f}"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    if minutes < 2 and seconds:
        return f"{60 * minutes + seconds}s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def _read(value: object) -> timedelta:
    try:
        return span(value)
    except (PenstockError, OverflowError) as err:
        raise ValueError(err.message if isinstance(err, PenstockError) else "this is too long") from None


Span = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(span_text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["5m", "90s", "PT5M"]}),
]

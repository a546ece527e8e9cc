"""Spans of time as people write them: `30d`, `12h`, `90m`, `45s`, `100ms`, seconds alone, and ISO 8601's `PT5M`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from penstock.domain.errors import PenstockError, invalid

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,5})(ms|[smhdw])\Z")
_SECONDS = re.compile(r"[0-9]{1,8}(?:\.[0-9]{1,6})?\Z")
_ISO = re.compile(
    r"P(?=[0-9T])(?:(?P<weeks>[0-9]{1,4})W)?(?:(?P<days>[0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,5})H)?(?:(?P<minutes>[0-9]{1,6})M)?"
    r"(?:(?P<seconds>[0-9]{1,8}(?:\.[0-9]{1,6})?)S)?)?\Z"
)


def duration(text: str) -> timedelta:
    """The time that `text` means; raises `invalid`."""
    match = _DURATION.match(text.strip())
    if match is None:
        raise invalid(f"duration {text!r} is not understood: write for example 30d, 12h or 90m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def span(value: object) -> timedelta:
    """The time that a file's value means: `5m`, `300` (seconds), `PT5M`; raises `invalid`."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()[:50]
    iso = _ISO.match(text.upper())
    if iso is not None:
        return timedelta(**{unit: float(number) for unit, number in iso.groupdict().items() if number is not None})
    if _SECONDS.match(text) and not isinstance(value, bool):
        return timedelta(seconds=float(text))
    if _DURATION.match(text) is None:
        raise invalid(f"duration {text!r} is not understood: write for example 5m, 300 (seconds) or PT5M")
    return duration(text)


def written(value: timedelta) -> str:
    """The shortest of `5m`, `90s`, `1500ms` that says the same; `span` reads it back."""
    milliseconds = round(value.total_seconds() * 1000)
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % length == 0 and milliseconds >= length and milliseconds // length < 100_000:
            return f"{milliseconds // length}{unit}"
    return f"{milliseconds}ms" if 0 < milliseconds < 100_000 else f"{milliseconds / 1000:g}"


def _checked(value: object) -> timedelta:
    try:
        return span(value)
    except PenstockError as err:
        raise ValueError(err.message) from None


Span = Annotated[timedelta, BeforeValidator(_checked), PlainSerializer(written, return_type=str)]

"""Times as texts spell them."""

from __future__ import annotations

from typing import Any


def instant(text: str, pandas: Any) -> Any:
    """The time that `text` spells, in UTC and without a zone, as numpy has it; raises ValueError."""
    time = pandas.Timestamp(text)
    if time.tzinfo is not None:
        time = time.tz_convert("UTC").tz_localize(None)
    if not pandas.Timestamp.min <= time <= pandas.Timestamp.max:
        raise ValueError(text)
    return time.to_datetime64()

"""Times of the week and dates, by the clock of a place: when a profile of an autoscale is in force."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal, Self, cast

from pydantic import field_validator, model_validator

from penstock.domain.resource import Frozen
from penstock.domain.time_zones import time_zone

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_NAMED = {"daily": DAYS, "weekdays": DAYS[:5], "weekend": DAYS[5:], "weekends": DAYS[5:]}
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::00)?\Z")
_LONGEST = timedelta(days=366)


class Zoned(Frozen):
    """Base of what is told by a clock: `timezone` says where it hangs (IANA's names or those of Windows)."""

    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        time_zone(value)
        return value


class Recurrence(Zoned):
    """From `start` to `end` (HH:MM, of the next day where it is not later) on these days of the week.

    Without an end: until the next recurrence begins, as Azure has it.
    """

    days: tuple[Day, ...] = DAYS
    start: str = "00:00"
    end: str | None = None

    @field_validator("days", mode="before")
    @classmethod
    def _days(cls, value: Any) -> Any:
        words = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(words, (list, tuple)):
            return value
        found: set[Day] = set()
        for word in cast(list[Any], words):
            named = _day(str(word))
            if not named:
                raise ValueError(f"day {str(word)[:40]!r} is not known: write mon, tue or weekdays, weekend, daily")
            found.update(named)
        return tuple(day for day in DAYS if day in found)

    @field_validator("days")
    @classmethod
    def _some(cls, value: tuple[Day, ...]) -> tuple[Day, ...]:
        if not value:
            raise ValueError("give at least one day")
        return value

    @field_validator("start", "end", mode="before")
    @classmethod
    def _time(cls, value: Any) -> Any:
        if isinstance(value, int) and 0 <= value <= 24 * 60:  # YAML reads 18:30 as a number of base sixty
            value = f"{value // 60:02}:{value % 60:02}"
        return clock_time(value) if isinstance(value, str) else value

    def began(self, now: datetime) -> datetime | None:
        """When it last began, if it is in force at `now`; None if it is not."""
        zone = time_zone(self.timezone)
        today = now.astimezone(zone).date()
        start = time.fromisoformat(self.start)
        for back in range(8):
            date = today - timedelta(days=back)
            begin = datetime.combine(date, start, zone)
            if DAYS[date.weekday()] not in self.days or _instant(begin) > now:
                continue
            if self.end is None:
                return _instant(begin)
            end = time.fromisoformat(self.end)
            until = datetime.combine(date + timedelta(days=0 if end > start else 1), end, zone)
            return _instant(begin) if now < _instant(until) else None
        return None


class FixedDate(Zoned):
    """From one date and time to another, by the clock of the time zone."""

    start: datetime
    end: datetime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) < self.end.replace(tzinfo=None) - self.start.replace(tzinfo=None) <= _LONGEST:
            raise ValueError("end must be after start, by a year at most")
        return self

    @field_validator("start", "end")
    @classmethod
    def _by_the_clock(cls, value: datetime) -> datetime:
        """Azure writes `Z` behind times that are meant by the clock of the time zone."""
        return value.replace(tzinfo=None)

    def began(self, now: datetime) -> datetime | None:
        """When it began, if it is in force at `now`; None if it is not."""
        zone = time_zone(self.timezone)
        start, end = (_instant(each.replace(tzinfo=zone)) for each in (self.start, self.end))
        return start if start <= now < end else None


def clock_time(text: str) -> str:
    """`8:30` as 08:30, 24:00 as the midnight that it is. Raises ValueError."""
    match = _CLOCK.match(text.strip())
    hours, minutes = (int(match[1]), int(match[2])) if match else (99, 0)
    if (hours, minutes) == (24, 0):
        hours = 0
    if hours > 23 or minutes > 59:
        raise ValueError(f"time of day {text[:20]!r} is not understood: write HH:MM, in quotes")
    return f"{hours:02}:{minutes:02}"


def _instant(local: datetime) -> datetime:
    """The point in time. What the clock skips in spring counts as if it had not been put forward yet."""
    return local.astimezone(UTC)


def _day(word: str) -> tuple[Day, ...]:
    word = word.strip().lower()
    if word in _NAMED:
        return _NAMED[word]
    return tuple(day for day in DAYS if len(word) >= 3 and _FULL[day].startswith(word))


_FULL: dict[Day, str] = {
    "mon": "monday",
    "tue": "tuesday",
    "wed": "wednesday",
    "thu": "thursday",
    "fri": "friday",
    "sat": "saturday",
    "sun": "sunday",
}

"""Traces of traffic: when requests came, one to a line, or how many came in each span of time."""

import csv
import random
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from penstock.domain.errors import invalid

_MOST = 20_000_000  # requests
_TIMES = ("time", "arrival", "timestamp")
_COUNTS = ("requests", "count")


@dataclass(frozen=True)
class Trace:
    """Arrivals in seconds since the first time in the file; `began_at` is that time, where the file has dates."""

    arrivals: "array[float]"
    began_at: datetime | None


def read_trace(path: Path, seed: int) -> Trace:
    """A CSV file with a column `time` (seconds, or dates as in ISO 8601), and `requests` if lines stand for several.

    The requests of a line are spread at random, the same for the same seed, up to the time of the next line. Raises
    `invalid` naming the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(csv.reader(file), str(path), seed)
    except FileNotFoundError:
        raise invalid(f"there is no file {path.absolute()}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise invalid(f"{path} cannot be read: {getattr(err, 'strerror', None) or err}") from None


def moment(text: str) -> datetime:
    """A date with a time, UTC unless it says otherwise; raises `invalid`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"{text[:40]!r} is no date: write for example 2026-11-23T08:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _read(lines: Iterable[list[str]], source: str, seed: int) -> Trace:
    rows = iter(lines)
    names = [name.strip().lower() for name in next(rows, ())]
    when = next((names.index(name) for name in _TIMES if name in names), None)
    if when is None:
        raise invalid(f"{source}: the first line must name the columns: time, and requests if lines stand for several")
    often = next((names.index(name) for name in _COUNTS if name in names), None)
    times: array[float] = array("d")
    counts: array[int] = array("q")
    dated = False
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        try:
            seconds, dated = _time(row[when])
            count = 1 if often is None else int(row[often])
        except (ValueError, IndexError):
            raise invalid(f"{source}, line {number}: {','.join(row)[:80]!r} is not understood") from None
        if count < 0 or (times and seconds < times[-1]):
            raise invalid(f"{source}, line {number}: times must rise, and numbers of requests not be negative")
        times.append(seconds)
        counts.append(count)
        if len(times) > _MOST:
            raise invalid(f"{source} has more than {_MOST:,} lines")
    if not times:
        raise invalid(f"{source} has no times")
    began_at = datetime.fromtimestamp(times[0], UTC) if dated else None
    arrivals = (
        array("d", (time - times[0] for time in times)) if often is None else _spread(times, counts, seed, source)
    )
    return Trace(arrivals, began_at)


def _time(text: str) -> tuple[float, bool]:
    """Seconds, and whether they were written as a date. Raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), True
    if not 0 <= seconds < 1e12:
        raise ValueError(text)
    return seconds, False


def _spread(times: Sequence[float], counts: Sequence[int], seed: int, source: str) -> "array[float]":
    """Arrivals at random within each line's span; the last line's is as long as the one before."""
    if sum(counts) > _MOST:
        raise invalid(f"{source} has {sum(counts):,} requests: simulate {_MOST:,} at most")
    drawn = random.Random(seed).random  # noqa: S311 - no secret
    arrivals: array[float] = array("d")
    for n, (begin, count) in enumerate(zip(times, counts, strict=True)):
        length = times[n + 1] - begin if n + 1 < len(times) else begin - times[n - 1] if n else 1.0
        offset = begin - times[0]
        arrivals.extend(sorted(offset + length * drawn() for _ in range(count)))
    return arrivals

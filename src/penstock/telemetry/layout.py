"""Where collected records lie: Azure's folders, below a deployment's collection one per minute, hour or day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_TOP = "modelDataCollector"
# By how many numbers a folder's path has: year, month, day, hour, minute.
_LENGTHS = {3: timedelta(days=1), 4: timedelta(hours=1), 5: timedelta(minutes=1)}


@dataclass(frozen=True)
class Period:
    """A folder of records that were written from `start` until before `end`."""

    folder: Path
    start: datetime
    end: datetime

    def files(self) -> list[Path]:
        """The files with lines, one or more per instance."""
        return sorted(self.folder.glob("*.jsonl"))


def records_folder(root: Path, endpoint: str, deployment: str) -> Path:
    """The folder of a deployment's records, below that of all collected data."""
    return root / _TOP / endpoint / deployment


def collection_folders(root: Path) -> Iterator[Path]:
    """Those of all collections of all deployments, also of such that are gone."""
    yield from sorted((root / _TOP).glob("*/*/*"))


def periods(collection: Path) -> Iterator[Period]:
    """The folders of a collection, the oldest first."""
    yield from _below(collection, ())


def _below(folder: Path, numbers: tuple[int, ...]) -> Iterator[Period]:
    length = _LENGTHS.get(len(numbers))
    if length is not None and any(entry.is_file() for entry in folder.iterdir()):
        start = _start(numbers)
        if start is not None:
            yield Period(folder, start, start + length)
    if len(numbers) < max(_LENGTHS):
        for inner in sorted(folder.iterdir()):
            if inner.name.isdecimal() and len(inner.name) <= 4 and inner.is_dir():
                yield from _below(inner, (*numbers, int(inner.name)))


def _start(numbers: tuple[int, ...]) -> datetime | None:
    year, month, day, hour, minute = (*numbers, 0, 0)[:5]
    try:
        return datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None

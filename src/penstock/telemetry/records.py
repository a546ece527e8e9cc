"""Collected inference records: what there is, and what was seen between two moments."""

# pyright: reportUnknownMemberType=false
# Polars' types name those of packages that it does not need, and that are not here.

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.domain.errors import invalid, not_found
from penstock.telemetry.layout import Period, periods, records_folder
from penstock.telemetry.tables import RECORD_ID, REQUEST_ID, ROW_ID, TIME, table_of

if TYPE_CHECKING:
    import polars as pl

_LATE = timedelta(hours=1)  # at most between an event and the folder of its record
_LARGEST = 2 * 2**30  # bytes of lines that are made into one table
_COUNTED = 512 * 2**20  # bytes of lines that are counted for a summary


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What there is of one collection. `records` is None where there are too many to be counted on the way."""

    name: str
    records: int | None
    bytes: int
    first: datetime
    last: datetime


class Records:
    """Reads what instances have collected below `root`. Every moment has a time zone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def collections(self, endpoint: str, deployment: str) -> Sequence[Summary]:
        """All collections of a deployment that have records."""
        folder = records_folder(self._root, endpoint, deployment)
        found = (_summary(inner) for inner in sorted(folder.iterdir())) if folder.is_dir() else ()
        return [summary for summary in found if summary is not None]

    def read(self, endpoint: str, deployment: str, collection: str, start: datetime, end: datetime) -> "pl.DataFrame":
        """The rows of all records with a time from `start` until before `end`, by time; see `tables.table_of`.

        Raises `not_found` if nothing was ever collected under that name, `invalid` if there is too much to read.
        """
        import polars as pl

        files = self._files(endpoint, deployment, collection, start, end)
        size = sum(file.stat().st_size for file in files)
        if size > _LARGEST:
            raise invalid(f"collection {collection!r}: {size / 2**30:.1f} GiB lie in this window: give a shorter one")
        tables = [table for file in files if not (table := table_of(file, collection)).is_empty()]
        if not tables:
            return pl.DataFrame(schema={ROW_ID: pl.String, TIME: pl.Datetime("us", "UTC")})
        whole = pl.concat(tables, how="diagonal_relaxed")
        return whole.filter(pl.col(TIME).is_between(start, end, closed="left")).sort(TIME, maintain_order=True)

    def joined(
        self,
        endpoint: str,
        deployment: str,
        start: datetime,
        end: datetime,
        *,
        inputs: str = "model_inputs",
        outputs: str = "model_outputs",
    ) -> "pl.DataFrame":
        """Inputs from `start` until before `end`, each row with its output's columns.

        Where inputs and outputs have a column of the same name, that of the outputs is called NAME_output. An id that
        came twice stands for its last row.
        """
        left = self.read(endpoint, deployment, inputs, start, end)
        right = self.read(endpoint, deployment, outputs, start, end + _LATE)
        right = right.drop([name for name in (RECORD_ID, TIME, REQUEST_ID) if name in right.columns])
        left, right = (table.unique(subset=ROW_ID, keep="last", maintain_order=True) for table in (left, right))
        return left.join(right, on=ROW_ID, how="inner", suffix="_output", maintain_order="left")

    def lines(self, endpoint: str, deployment: str, collection: str, start: datetime, end: datetime) -> Iterator[bytes]:
        """The lines of all records with a time from `start` until before `end`, as they were written."""
        files = self._files(endpoint, deployment, collection, start, end)
        return (line for file in files for line in _whole_lines(file) if start <= _time_of(line) < end)

    def _files(self, endpoint: str, deployment: str, collection: str, start: datetime, end: datetime) -> list[Path]:
        found = self._periods(endpoint, deployment, collection, start, end)
        return [file for period in found for file in period.files()]

    def _periods(self, endpoint: str, deployment: str, collection: str, start: datetime, end: datetime) -> list[Period]:
        folder = records_folder(self._root, endpoint, deployment) / collection
        known = {inner.name for inner in folder.parent.iterdir()} if folder.parent.is_dir() else set[str]()
        if collection not in known:
            raise not_found(
                f"deployment {endpoint}/{deployment} has collected nothing as {collection!r}"
                f"{'; there are ' + ', '.join(sorted(known)) if known else ''}"
            )
        return [period for period in periods(folder) if period.start < end + _LATE and start < period.end]


def _whole_lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        yield from (line for line in stream if line.endswith(b"\n"))


def _summary(folder: Path) -> Summary | None:
    found = list(periods(folder))
    if not found:
        return None
    files = [file for period in found for file in period.files()]
    size = sum(file.stat().st_size for period in found for file in period.folder.rglob("*") if _is_data(file))
    counted = sum(file.stat().st_size for file in files) <= _COUNTED
    last = max((file.stat().st_mtime for file in files), default=found[-1].end.timestamp())
    return Summary(
        name=folder.name,
        records=sum(map(_line_count, files)) if counted else None,
        bytes=size,
        first=found[0].start,
        last=datetime.fromtimestamp(last, UTC),
    )


def _is_data(file: Path) -> bool:
    return file.is_file() and file.suffix != ".parquet" and not file.name.startswith(".")


def _line_count(file: Path) -> int:
    count = 0
    with file.open("rb") as stream:
        while chunk := os.read(stream.fileno(), 1 << 20):
            count += chunk.count(b"\n")
    return count


def _time_of(line: bytes) -> datetime:
    """The time of a record; that of the very beginning if the line cannot be understood."""
    try:
        return datetime.fromisoformat(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return datetime.min.replace(tzinfo=UTC)

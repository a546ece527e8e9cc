"""Input files of batch jobs, and what is read of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_worker.batch.cutting import cut
from penstock_worker.batch.reading import Columns, Reject, read
from penstock_worker.batch_contract import BYTES, File, Order, Segment


def an_order(**more: Any) -> Order:
    return Order("job", "append_row", "parquet", "one_file", "predictions.parquet", "/out", **more)


def a_file(path: Path, data: bytes | None = None) -> File:
    """The file at `path`, with `data` if that is given."""
    if data is not None:
        path.write_bytes(data)
    found = path.stat()
    return File(0, str(path), path.name, found.st_size, found.st_mtime_ns)


@dataclass
class Found:
    """All that was read: each row with its number, the types of the columns, rejects, and the sizes of the slices."""

    rows: list[tuple[int, dict[str, Any]]]
    types: dict[str, str]
    rejects: list[Reject]
    slices: list[int]

    @property
    def values(self) -> list[dict[str, Any]]:
        return [row for _, row in self.rows]


def everything(
    segments: Sequence[Segment],
    types: Mapping[str, str] | None = None,
    *,
    only: Sequence[str] | None = None,
    slice_rows: int = 16_384,
) -> Found:
    """What a job reads of `segments`, for a model whose signature has `types`."""
    found = Found([], {}, [], [])
    for segment in segments:
        for each in read(segment, None if types is None else Columns(types), slice_rows, only):
            found.rows += enumerate(each.table.to_pylist(), each.first_row)
            found.types = {field.name: str(field.type) for field in each.table.schema}
            found.rejects += each.rejects
            found.slices.append(each.table.num_rows)
    return found


def in_pieces(file: File, **more: Any) -> tuple[Segment, ...]:
    return cut(Segment(file, BYTES, 0, file.size, 0), an_order(**more))

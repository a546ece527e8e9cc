"""Into which mini-batches the files of a job go. Pure."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from penstock.store.ledger import LedgerFile, MiniBatch, MiniBatchId
from penstock_worker.batch_contract import ROWS, WHOLE, File, Order, Segment, decoded

SMALL_BYTES = 8 * 1024 * 1024  # files below are read whole, several in one mini-batch
_MOST_FILES = 1000  # of small ones in a mini-batch


def by_count(files: Sequence[LedgerFile], paths: dict[int, str], size: int) -> Sequence[MiniBatch]:
    """Mini-batches of scripts: `size` files each, in order."""
    groups = [files[at : at + size] for at in range(0, len(files), size)]
    return [_whole(group, paths) for group in groups]


def small_groups(files: Iterable[LedgerFile], paths: dict[int, str]) -> Sequence[MiniBatch]:
    """Mini-batches of models, of files that need no cutting: neighbours together, up to the size of a small file."""
    groups: list[list[LedgerFile]] = []
    bytes_ = 0
    for file in files:
        full = bytes_ + file.size > SMALL_BYTES or (groups and len(groups[-1]) >= _MOST_FILES)
        if not groups or full or groups[-1][-1].number + 1 != file.number:
            groups.append([])
            bytes_ = 0
        groups[-1].append(file)
        bytes_ += file.size
    return [_whole(group, paths) for group in groups]


def in_steps(
    files: Iterable[LedgerFile], mini_batches: Sequence[MiniBatch], size: int
) -> Iterator[tuple[Sequence[int], Sequence[MiniBatch]]]:
    """Whole mini-batches of `files`, `size` at a time, with the numbers of the files that they take."""
    left = iter(files)
    for at in range(0, len(mini_batches), size):
        step = mini_batches[at : at + size]
        yield [file.number for file in islice(left, sum(each.files for each in step))], step


def is_cut(file: LedgerFile) -> bool:
    """True if a worker must say where the file can be cut."""
    return file.size >= SMALL_BYTES


def of_segments(segments: Sequence[Segment], order: Order, whole_bytes: int) -> Sequence[MiniBatch]:
    """Mini-batches of one file that was cut: a segment each, or several small ones."""
    groups: list[list[Segment]] = []
    weight = 0.0
    for segment in segments:
        own = _weight(segment, order)
        if not groups or weight + own > 1.25:
            groups.append([])
            weight = 0.0
        groups[-1].append(segment)
        weight += own
    shares = _bytes_of(groups, whole_bytes)
    return [
        MiniBatch(
            id=MiniBatchId(group[0].file.number, piece),
            files=1 if piece == 0 else 0,  # a file counts once, with its first piece
            segments=encoded(group),
            rows=sum(s.rows for s in group) if all(s.rows >= 0 for s in group) else -1,
            bytes=size,
        )
        for piece, (group, size) in enumerate(zip(groups, shares, strict=True))
    ]


def encoded(segments: Sequence[Segment]) -> str:
    return json.dumps([asdict(segment) for segment in segments], separators=(",", ":"))


def segments_of(mini_batch: MiniBatch) -> tuple[Segment, ...]:
    items: list[Any] = json.loads(mini_batch.segments)
    return tuple(decoded(item, Segment) for item in items)


def file_of(file: LedgerFile, path: str) -> File:
    """The file as workers are told of it. One that was fetched has a time of its own, which says nothing."""
    here = path == file.uri and file.version.isdecimal()
    return File(
        number=file.number,
        path=path,
        name=file.name,
        size=file.size,
        modified_ns=int(file.version) if here else -1,
    )


def _whole(group: Sequence[LedgerFile], paths: dict[int, str]) -> MiniBatch:
    segments = [Segment(file=file_of(file, paths[file.number]), unit=WHOLE) for file in group]
    return MiniBatch(
        id=MiniBatchId(group[0].number, 0),
        files=len(group),
        segments=encoded(segments),
        rows=-1,
        bytes=sum(file.size for file in group),
    )


def _weight(segment: Segment, order: Order) -> float:
    """1 is a whole mini-batch. Pieces of text are cut to be one each."""
    return segment.length / order.mini_batch_rows if segment.unit == ROWS else 1.0


def _bytes_of(groups: Sequence[Sequence[Segment]], whole: int) -> Sequence[int]:
    """How the bytes of a file spread over its mini-batches: as their rows, or bytes, do; they sum to `whole`."""
    lengths = [max(0, sum(s.length for s in group)) for group in groups]
    total = sum(lengths) or 1
    ends = [whole * sum(lengths[: at + 1]) // total for at in range(len(groups))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]

"""Rows that wait for the model until they are worth a call, and what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from penstock_worker.batch.bisection import Effort, bisect
from penstock_worker.batch.texts import trimmed

if TYPE_CHECKING:
    from penstock_worker.batch.batch_model import BatchModel
    from penstock_worker.batch.frames import Frames
    from penstock_worker.batch.predictions import Predictions
    from penstock_worker.batch.stages import Stages

_MOST_CALLS = 300  # to find the rows of a mini-batch that the model fails on


class Rows(NamedTuple):
    """Rows of a file, or of several that follow each other: their columns for the model, what is kept of them (an Arrow
    table), their numbers in their file, and its name: an Arrow dictionary, whose indices tell which file it is.
    `segment` is that of the first file."""

    segment: int
    names: Any
    columns: dict[str, Any]
    kept: Any
    numbers: Any

    def part(self, start: int, stop: int) -> Rows:
        """Without the columns for the model."""
        if stop - start == len(self.numbers):
            return self
        length = stop - start
        return self._replace(
            columns={},
            names=self.names.slice(start, length),
            kept=self.kept.slice(start, length),
            numbers=self.numbers.slice(start, length),
        )


def by_file(rows: Rows, table: Any) -> list[tuple[int, Any]]:
    """What was made of `rows`, a table, in pieces of one file each, with its segment; dictionaries hold what is in the
    piece, as each is to be a file of its own."""
    places = rows.names.indices.to_numpy()
    starts = [0, *((places[1:] != places[:-1]).nonzero()[0] + 1).tolist()]
    stops = [*starts[1:], len(places)]
    pieces = [table.slice(start, stop - start) for start, stop in zip(starts, stops)]  # noqa: B905 - Python 3.9
    if len(rows.names.dictionary) > 1:
        pieces = [trimmed(piece) for piece in pieces]
    return [(rows.segment + int(places[start]), piece) for start, piece in zip(starts, pieces)]  # noqa: B905


class Scored(NamedTuple):
    """Rows with the columns that were predicted for them, or the reason why there are none."""

    rows: Rows
    predictions: dict[str, Any] | None
    reason: str


class RowScorer:
    """Predicts for the rows of one mini-batch, in the order in which they are added.

    Rows of small files are put together; those that fill half a slice are not, as that would copy them. `error` is the
    first that the model raised; rows that it fails on are told of alone.
    """

    def __init__(
        self, model: BatchModel, frames: Frames, predictions: Predictions, stages: Stages, slice_rows: int
    ) -> None:
        self._model = model
        self._frames = frames
        self._predictions = predictions
        self._stages = stages
        self._enough = max(1, slice_rows // 2)
        self._effort = Effort(_MOST_CALLS)
        self._waiting: list[Rows] = []
        self._count = 0
        self.error: Exception | None = None

    def add(self, rows: Rows) -> list[Scored]:
        """What has been scored by now; a call of the model is made only once enough rows wait."""
        scored: list[Scored] = []
        if self._waiting and _types(self._waiting[0]) != _types(rows):
            scored = self.finish()
        self._waiting.append(rows)
        self._count += len(rows.numbers)
        return scored + self.finish() if self._count >= self._enough else scored

    def finish(self) -> list[Scored]:
        """Score what waits. Raises `ResultError`."""
        waiting, count = self._waiting, self._count
        self._waiting, self._count = [], 0
        if not count:
            return []
        columns = waiting[0].columns if len(waiting) == 1 else self._frames.joined([rows.columns for rows in waiting])
        found = bisect(lambda start, stop: self._predicted(columns, count, start, stop), count, self._effort)
        self.error = self.error or found.error
        scored: list[Scored] = []
        for piece in found.pieces:
            scored += _of_each(waiting, piece.start, piece.stop, piece.result, piece.reason)
        return scored

    def add_array(self, rows: Rows, array: Any) -> list[Scored]:
        """Score what waits, and then one row that is an array."""
        scored = self.finish()
        found = bisect(lambda _start, _stop: self._of_array(array), 1, self._effort)
        self.error = self.error or found.error
        return scored + [Scored(rows, piece.result, piece.reason) for piece in found.pieces]

    def _of_array(self, array: Any) -> dict[str, Any]:
        with self._stages.timed("predict"):
            result = self._model.predict(array)
        return self._predictions.single(result)

    def _predicted(self, columns: dict[str, Any], count: int, start: int, stop: int) -> dict[str, Any]:
        rows = stop - start
        with self._stages.timed("convert"):
            if rows < count:
                columns = {name: column.slice(start, rows) for name, column in columns.items()}
            frame = self._frames.of(columns, rows)
        with self._stages.timed("predict"):
            result = self._model.predict(frame)
        with self._stages.timed("convert"):
            return self._predictions.columns(result, rows)


def _of_each(waiting: list[Rows], start: int, stop: int, result: dict[str, Any] | None, reason: str) -> list[Scored]:
    """The rows from `start` to `stop` of all that wait, for each of those that they belong to."""
    scored: list[Scored] = []
    offset = 0
    for rows in waiting:
        low, high = max(start, offset), min(stop, offset + len(rows.numbers))
        if low < high:
            part = rows.part(low - offset, high - offset)
            own = result
            if result is not None and high - low < stop - start:
                own = {name: column.slice(low - start, high - low) for name, column in result.items()}
            scored.append(Scored(part, own, reason))
        offset += len(rows.numbers)
    return scored


def _types(rows: Rows) -> dict[str, Any]:
    return {name: column.type for name, column in rows.columns.items()}

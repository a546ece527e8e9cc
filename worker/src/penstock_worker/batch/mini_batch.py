"""One mini-batch of a model: its segments read, fitted, predicted for and written, a slice of rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from penstock_worker.batch.fitting import Fitted, MisfitError, fit
from penstock_worker.batch.images import is_image, read_image
from penstock_worker.batch.input_file import opened
from penstock_worker.batch.reading import Columns, UnreadableError, read
from penstock_worker.batch.row_scorer import Rows, RowScorer, Scored, by_file
from penstock_worker.batch.small_files import read_together
from penstock_worker.batch.stages import Stages
from penstock_worker.batch_contract import BYTES, INPUT_UNREADABLE, ROWS, FileFault, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock_worker.batch.arrow_columns import ArrowColumns
    from penstock_worker.batch.batch_model import BatchModel
    from penstock_worker.batch.frames import Frames
    from penstock_worker.batch.output_rows import OutputRows
    from penstock_worker.batch.parts import Parts
    from penstock_worker.batch.predictions import Predictions
    from penstock_worker.batch_contract import File, Segment, Task


class Tools(NamedTuple):
    """What mini-batches are scored with; one set for all of a process."""

    arrow: Any
    compute: Any
    numpy: Any
    model: BatchModel
    arrow_columns: ArrowColumns
    frames: Frames
    predictions: Predictions
    output: OutputRows
    slice_rows: int


class MiniBatch:
    """`beat` is called with each slice. Where `run` raises, `parts` are to be discarded."""

    def __init__(self, tools: Tools, task: Task, parts: Parts, beat: Callable[[], None]) -> None:
        self._tools = tools
        self._task = task
        self._parts = parts
        self._beat = beat
        self._stages = Stages()
        self._scorer = RowScorer(tools.model, tools.frames, tools.predictions, self._stages, tools.slice_rows)
        signature = tools.model.signature
        self._columns = Columns.of(signature)
        self._needed = tools.output.needed(signature)
        self._joins = task.limit < 0
        self._alone = 0  # segments before this one are read one by one
        self._faults: list[FileFault] = []
        self._rows_in = self._rows_out = self._rows_rejected = self._bytes_in = 0

    def run(self) -> Result:
        """Raises `TaskFailedError`, OSError, `ResultError`, and what the model raises if it does for all rows."""
        at = 0
        while at < len(self._task.segments) and self._room() != 0:
            columns = self._columns if self._joins and at >= self._alone else None
            together = self._together(at, columns) if columns is not None else 0
            if not together:
                self._segment(at, self._task.segments[at])
            at += together or 1
        self._write(self._scorer.finish())
        if self._scorer.error is not None and not self._rows_out:
            raise self._scorer.error
        with self._stages.timed("write"):
            parts = self._parts.place()
        return Result(
            self._task.id,
            self._task.attempt,
            worker="",
            parts=parts,
            faults=tuple(self._faults),
            rows_in=self._rows_in,
            rows_out=self._rows_out,
            rows_rejected=self._rows_rejected,
            bytes_in=self._bytes_in,
            seconds={stage: round(seconds, 6) for stage, seconds in self._stages.seconds.items()},
        )

    def _room(self) -> int:
        """How many more rows may be read; -1 for any number."""
        return -1 if self._task.limit < 0 else max(0, self._task.limit - self._rows_in)

    def _segment(self, number: int, segment: Segment) -> None:
        before = self._rows_in
        try:
            if is_image(segment.file.path):
                self._image(number, segment.file)
            else:
                self._rows(number, segment)
        except (UnreadableError, MisfitError) as error:
            after = f", after {self._rows_in - before} rows that were read" if self._rows_in > before else ""
            reason = getattr(error, "reason", INPUT_UNREADABLE)
            self._faults.append(FileFault(segment.file.number, reason, f"{error}{after}"))
        if segment.unit != ROWS:
            self._bytes_in += segment.length if segment.unit == BYTES else segment.file.size

    def _together(self, at: int, columns: Columns) -> int:
        """Score the rows of small files at once, from segment `at` on; how many files these were, 0: they are to be
        read alone."""
        segments = self._task.segments
        with self._stages.timed("read"):
            table, counts = read_together(segments, at, columns, self._needed)
        files = [segment.file for segment in segments[at : at + len(counts)]]
        if table is None or not self._fit_and_score(at, files, counts, table):
            self._alone = at + len(counts)
            return 0
        self._rows_in += table.num_rows
        self._bytes_in += sum(file.size for file in files)
        self._beat()
        return len(counts)

    def _fit_and_score(self, at: int, files: Sequence[File], counts: Sequence[int], table: Any) -> bool:
        """False if the table's columns do not fit the signature."""
        numbers = self._tools.arrow.concat_arrays([self._numbers(0, count) for count in counts])
        try:
            self._score(at, self._tools.output.names([file.name for file in files], counts), numbers, table)
        except MisfitError:
            return False
        return True

    def _rows(self, number: int, segment: Segment) -> None:
        """Raises `UnreadableError`; `MisfitError` if that is so from the first slice on."""
        taken = 0
        for table, first_row, unread in self._slices(segment):
            if unread:
                rows = self._tools.arrow.array([row for row, _ in unread], self._tools.arrow.int64())
                self._reject(self._names(segment.file, len(rows)), rows, [reason for _, reason in unread])
            names, numbers = self._names(segment.file, table.num_rows), self._numbers(first_row, table.num_rows)
            try:
                self._score(number, names, numbers, table)
            except MisfitError as error:
                if not taken:
                    raise
                # Other slices of a text file may be of other types.
                self._reject(names, numbers, [str(error)] * table.num_rows)
            taken += table.num_rows
            self._rows_in += table.num_rows + len(unread)
            self._bytes_in += table.nbytes if segment.unit == ROWS else 0
            self._beat()

    def _slices(self, segment: Segment) -> Iterator[tuple[Any, int, Sequence[tuple[int, str]]]]:
        """What there is room for: tables, the numbers of their first rows, and the rows that could not be read."""
        slices = iter(read(segment, self._columns, self._tools.slice_rows, self._needed))
        while self._room() != 0:
            with self._stages.timed("read"):
                found = next(slices, None)
            if found is None:
                return
            room, table, unread = self._room(), found.table, found.rejects
            if room >= 0:
                unread = unread[:room]
                table = table.slice(0, room - len(unread))
            yield table, found.first_row, unread

    def _score(self, number: int, names: Any, numbers: Any, table: Any) -> None:
        """Score the rows of a table that fit the signature, and reject the others. Raises `MisfitError`."""
        if not table.num_rows:
            return
        tools = self._tools
        with self._stages.timed("validate"):
            fitted = self._fitted(table)
            kept = tools.output.kept(table)
            if fitted.wrong is not None:
                right = tools.compute.invert(fitted.wrong)
                reasons = [fitted.reasons[row] for row in sorted(fitted.reasons)]
                self._reject(names.filter(fitted.wrong), numbers.filter(fitted.wrong), reasons)
                names, numbers, kept = names.filter(right), numbers.filter(right), kept.filter(right)
        self._write(self._scorer.add(Rows(number, names, fitted.columns, kept, numbers)))

    def _fitted(self, table: Any) -> Fitted:
        signature = self._tools.model.signature
        if signature is None or signature.tensors:
            return Fitted(dict(zip(table.column_names, table.columns)), None, {})  # noqa: B905 - Python 3.9
        return fit(table, signature, self._tools.arrow_columns, self._tools.compute)

    def _image(self, number: int, file: File) -> None:
        """Predict once for an image. Raises `UnreadableError`."""
        tools = self._tools
        with self._stages.timed("read"), opened(file):
            array = read_image(file.path, tools.model.signature, tools.numpy)
        self._rows_in += 1
        kept = tools.arrow.table({})
        names = self._names(file, 1)
        self._write(self._scorer.add_array(Rows(number, names, {}, kept, self._numbers(0, 1)), array))
        self._beat()

    def _names(self, file: File, rows: int) -> Any:
        return self._tools.output.names([file.name], [rows])

    def _numbers(self, first_row: int, rows: int) -> Any:
        """The rows' numbers in their file; nulls where these are not known."""
        arrow, numpy = self._tools.arrow, self._tools.numpy
        if first_row < 0:
            return arrow.nulls(rows, arrow.int64())
        return arrow.array(numpy.arange(first_row, first_row + rows, dtype="int64"))

    def _write(self, scored: Sequence[Scored]) -> None:
        for rows, predictions, reason in scored:
            if predictions is None:
                self._reject(rows.names, rows.numbers, [reason] * len(rows.numbers))
                continue
            with self._stages.timed("write"):
                table = self._tools.output.table(rows.kept, rows.numbers, rows.names, predictions)
                for segment, piece in by_file(rows, table) if self._parts.by_file else [(rows.segment, table)]:
                    self._parts.write(segment, piece)
                    self._beat()
            self._rows_out += len(rows.numbers)

    def _reject(self, names: Any, numbers: Any, reasons: Sequence[str]) -> None:
        with self._stages.timed("write"):
            self._parts.reject(self._tools.output.rejects(names, numbers, reasons))
        self._rows_rejected += len(reasons)

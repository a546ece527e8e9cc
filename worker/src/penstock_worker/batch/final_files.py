"""Which final files there are, and which parts each is made of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from penstock_worker.batch import lines_join, parquet_join
from penstock_worker.batch.manifest import REJECTS, ROWS, Manifest
from penstock_worker.batch.output_names import REJECTS as REJECTS_NAMES
from penstock_worker.batch.output_names import input_file_names, one_file_name, part_file_name
from penstock_worker.batch.publication import Publication
from penstock_worker.batch_contract import Order

# So many and so small row groups would cost every reader more than joining them saves.
_MANY_PARTS = 2_000
_SMALL_PART_BYTES = 256 * 1024

Parts = Callable[[], Iterable[Path]]  # may be called again


def columns_path(folder: Path) -> Path:
    """The names of the columns of CSV parts, a list in JSON: parts themselves have no header."""
    return folder / "parts" / "columns.json"


def make(publication: Publication, manifest: Manifest, order: Order, folder: Path, beat: Callable[[], None]) -> None:
    """Make all final files. Raises OutputExistsError, OSError, ValueError."""
    form = order.output_format
    writer = _Writer(publication, form, _columns(folder, form), beat)
    one = one_file_name(order.output_file_name, form)
    if order.output_action == "summary_only":
        pass
    elif order.output_mode == "per_input":
        if manifest.shared:  # a script has not said of which file they are
            writer.rows((one,), manifest.shared_paths, manifest.shared)
        for name, parts in manifest.by_file():
            writer.rows(input_file_names(name, form), lambda parts=parts: parts, len(parts))
    elif order.output_mode == "partitioned":
        for number, part in enumerate(manifest.paths(ROWS)):
            writer.rows((part_file_name(number, manifest.parts, form),), lambda part=part: (part,), 1)
    else:
        writer.rows((one,), lambda: manifest.paths(ROWS), manifest.parts)
    if manifest.rejects:
        writer.rejects(lambda: manifest.paths(REJECTS))


class _Writer:
    def __init__(self, publication: Publication, form: str, columns: Sequence[str], beat: Callable[[], None]) -> None:
        self._publication = publication
        self._format = form
        self._header = _header(columns)
        self._width = len(columns)
        self._beat = beat

    def rows(self, names: Iterable[str], parts: Parts, count: int) -> None:
        """A file of predictions, of `count` parts."""
        place = self._publication.claim(names)
        self._beat()
        if count == 1 and self._is_whole(next(iter(parts()))):
            self._publication.link(next(iter(parts())), place)
            return
        if self._format == "parquet":
            self._parquet(place, parts, count)
        else:
            lines_join.join(self._header, parts(), place, self._beat, self._width)

    def rejects(self, parts: Parts) -> None:
        place = self._publication.claim(REJECTS_NAMES)
        lines_join.join(b"", parts(), place, self._beat)

    def _is_whole(self, part: Path) -> bool:
        """True if the part is a final file as it is."""
        return self._format == "parquet" or (not self._header and lines_join.ends(part))

    def _parquet(self, place: Path, parts: Parts, count: int) -> None:
        if count and not (count > _MANY_PARTS and self._are_small(parts, count)):
            try:
                parquet_join.join(parts(), place, self._beat)
                return
            except parquet_join.DifferentSchemasError:
                place.unlink()
        # Writing rows anew takes pyarrow, which joining does not.
        from penstock_worker.batch.parquet_rewrite import rewrite, write_empty

        if count == 0:
            write_empty(place)
        else:
            rewrite(parts, place, self._beat)

    def _are_small(self, parts: Parts, count: int) -> bool:
        size = 0
        for part in parts():
            size += part.stat().st_size
            self._beat()
        return size < count * _SMALL_PART_BYTES


def _columns(folder: Path, form: str) -> Sequence[str]:
    """The names that stand above the rows of CSV files; none for files without a header."""
    path = columns_path(folder)
    return json.loads(path.read_bytes()) if form == "csv" and path.exists() else ()


def _header(columns: Sequence[str]) -> bytes:
    if not columns:
        return b""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(columns)
    return line.getvalue().encode("utf-8", "surrogateescape")

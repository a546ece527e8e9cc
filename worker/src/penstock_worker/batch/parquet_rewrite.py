"""Parquet files made one by reading and writing every row: for files of which the schemas differ, and for so many small
ones that nobody could read their row groups."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from penstock_worker.batch.common_schema import common_schema, fitted, is_text

pyarrow: Any = importlib.import_module("pyarrow")  # of the model's environment, not ours
parquet: Any = importlib.import_module("pyarrow.parquet")

_GROUP_ROWS = 131_072
_GROUP_BYTES = 128 * 1024 * 1024  # in memory: rows may be large
_BATCH_ROWS = 16_384


def rewrite(parts: Callable[[], Iterable[Path]], to: Path, beat: Callable[[], None]) -> None:
    """Write the rows of `parts`, which is called twice, in their order to the new file `to`. It is not flushed to disk.

    Columns are those of `common_schema`. `beat` is called every some thousand rows, and no more than a row group is in
    memory. Raises ValueError for files that cannot be read, or columns that nothing can hold; OSError.
    """
    try:
        schema = common_schema(_schemas(parts(), beat))
        texts = [field.name for field in schema if is_text(field.type)]
        settings = {"use_dictionary": texts, "compression": _compression(parts())}
        with open(to, "xb") as file, parquet.ParquetWriter(file, schema, **settings) as writer:
            for table in _groups(parts(), schema, beat):
                writer.write_table(table, row_group_size=_GROUP_ROWS)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError) as error:
        raise ValueError(f"the parts cannot be made one file: {error}") from error


def write_empty(to: Path) -> None:
    """A file of no rows, of which nobody has told the columns."""
    with open(to, "xb") as file:
        parquet.write_table(pyarrow.table({}), file)


def _schemas(parts: Iterable[Path], beat: Callable[[], None]) -> Iterator[Any]:
    for part in parts:
        yield parquet.read_schema(part).remove_metadata()
        beat()


def _compression(parts: Iterable[Path]) -> str:
    """As in the first part that has rows."""
    for part in parts:
        metadata = parquet.read_metadata(part)
        if metadata.num_row_groups and metadata.num_columns:
            return metadata.row_group(0).column(0).compression.replace("UNCOMPRESSED", "NONE")
    return "SNAPPY"


def _groups(parts: Iterable[Path], schema: Any, beat: Callable[[], None]) -> Iterator[Any]:
    """The rows of all parts in tables of the size of a row group."""
    waiting: list[Any] = []
    rows = size = 0
    for part in parts:
        with open(part, "rb") as file:
            for batch in parquet.ParquetFile(file).iter_batches(_BATCH_ROWS):
                waiting.append(fitted(pyarrow.Table.from_batches([batch]), schema))
                rows += batch.num_rows
                size += batch.nbytes
                if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                    yield pyarrow.concat_tables(waiting)
                    waiting, rows, size = [], 0, 0
                beat()
    if waiting:
        yield pyarrow.concat_tables(waiting)

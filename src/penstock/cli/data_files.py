"""Files with rows of data, read into tables: the one place that knows polars, which is loaded when it is needed."""

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from polars import DataFrame

_SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")


def read_rows(path: Path) -> "DataFrame":
    """The rows of a parquet, csv or jsonl file; raises `invalid` for others, and for what is not what it says."""
    import polars

    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise invalid(f"{path}: rows are read from files that end in {', '.join(_SUFFIXES)}")
    if not path.is_file():
        raise invalid(f"there is no file {path.absolute()}")
    try:
        if suffix == ".parquet":
            return polars.read_parquet(path)
        if suffix in (".jsonl", ".ndjson"):
            return polars.read_ndjson(path, infer_schema_length=None)
        # All rows decide on a column's type: a text may come late.
        return polars.read_csv(path, separator="\t" if suffix == ".tsv" else ",", infer_schema_length=None)
    except (polars.exceptions.PolarsError, OSError, ValueError) as err:
        raise invalid(f"{path} cannot be read: {str(err).splitlines()[0] if str(err) else type(err).__name__}") from err

"""Lines of records as tables, a row for each row of their data; and the Parquet files that are kept beside them."""

# pyright: reportUnknownMemberType=false
# Polars' types name those of packages that it does not need, and that are not here.

import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from penstock import durable
from penstock.domain.collector import PAYLOADS

if TYPE_CHECKING:
    import polars as pl

ROW_ID, RECORD_ID, TIME, REQUEST_ID = "correlationid", "record_id", "record_time", "xrequestid"

_BESIDE = re.compile(r"[-._A-Za-z0-9]+/[-._A-Za-z0-9]+")
_PAYLOAD_FIELDS = ("method", "path", "status")


def table_of(file: Path, collection: str) -> "pl.DataFrame":
    """All records of `file`, from the Parquet file beside it if that is up to date.

    The columns are those of the data and four of the records': `correlationid` is the id of the row, made of the
    record's and the row's number; data may bring a column of that name, which wins. Raises OSError.
    """
    import polars as pl

    parquet = parquet_of(file)
    if is_up_to_date(parquet, file):
        return pl.read_parquet(parquet)
    return read_lines(file, collection)


def parquet_of(file: Path) -> Path:
    return file.with_suffix(".parquet")


def is_up_to_date(parquet: Path, file: Path) -> bool:
    """True if nothing has been added to `file` since `parquet` was made of it."""
    try:
        return parquet.stat().st_mtime_ns == file.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def write_parquet(file: Path, collection: str) -> None:
    """Make the Parquet file of `file`, whole or not at all. Raises OSError."""
    seen = file.stat()
    table = read_lines(file, collection)
    with durable.new_file(file.parent, f".{file.name}.") as (temporary, descriptor):
        table.write_parquet(temporary)
        os.fsync(descriptor)
        os.utime(temporary, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        os.replace(temporary, parquet_of(file))


def read_lines(file: Path, collection: str) -> "pl.DataFrame":
    """All whole lines of `file` as a table; a last line that was cut off by a crash is left out."""
    import polars as pl

    content = file.read_bytes()
    content = content[: content.rfind(b"\n") + 1]
    if collection not in PAYLOADS and b'"datainblob"' not in content and content:
        try:
            return _expanded(pl.read_ndjson(io.BytesIO(content), infer_schema_length=None))
        except (pl.exceptions.PolarsError, TypeError):
            pass  # values of several types in one column, or data that is no list of rows
    records = _records(content)
    rows = _payload_rows(records) if collection in PAYLOADS else _data_rows(records, file.parent)
    return _typed(pl.DataFrame(list(rows), infer_schema_length=None, strict=False))


def _expanded(records: "pl.DataFrame") -> "pl.DataFrame":
    """A row for each row of the records' data."""
    import polars as pl

    rows = pl.int_ranges(0, pl.col("data").list.len()).alias("_row")
    records = records.with_columns(rows).explode("data", "_row").drop_nulls("_row")
    own = records.select(
        pl.format("{}_{}", "correlationid", "_row").alias(ROW_ID),
        pl.col("id").alias(RECORD_ID),
        pl.col("time").alias(TIME),
        pl.col("xrequestid").alias(REQUEST_ID),
    )
    data = records.get_column("data").struct.unnest()
    data = data.drop([name for name in (RECORD_ID, TIME, REQUEST_ID) if name in data.columns])
    return _typed(own.drop([ROW_ID] if ROW_ID in data.columns else []).hstack(data))


def _typed(table: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    if not table.columns:
        texts = {name: pl.String for name in (ROW_ID, RECORD_ID, REQUEST_ID)}
        return pl.DataFrame(schema={**texts, TIME: pl.Datetime("us", "UTC")})
    return table.with_columns(
        pl.col(TIME).str.to_datetime(time_unit="us", time_zone="UTC", format="%Y-%m-%dT%H:%M:%SZ")
    )


def _records(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield cast(dict[str, Any], record)


def _data_rows(records: Iterable[Mapping[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    for record in records:
        data: Any = record.get("data")
        if record.get("datainblob") == "true":
            data = _beside(folder, data)
        for number, row in enumerate(cast(list[Any], data) if isinstance(data, list) else [data]):
            fields = cast(dict[str, Any], row) if isinstance(row, dict) else {"0": row}
            yield {ROW_ID: f"{record.get('correlationid')}_{number}", **fields, **_own(record)}


def _payload_rows(records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for record in records:
        told = {name: record[name] for name in _PAYLOAD_FIELDS if name in record}
        data = json.dumps(record.get("data"), ensure_ascii=False)
        yield {ROW_ID: f"{record.get('correlationid')}_0", **_own(record), **told, "data": data}


def _own(record: Mapping[str, Any]) -> dict[str, Any]:
    return {RECORD_ID: record.get("id"), TIME: record.get("time"), REQUEST_ID: record.get("xrequestid")}


def _beside(folder: Path, name: object) -> Any:
    """Data that lies in a file of its own; none if it is not there."""
    if not isinstance(name, str) or not _BESIDE.fullmatch(name):
        return None
    try:
        return json.loads((folder / name).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None

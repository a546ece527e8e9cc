"""What run() returned as the bytes of a part, in the form of the job's output.

Azure's form has no header. A scalar is a line as str() has it, without quotes, for scripts make whole lines of their
items (`f"{name},{label}"`); so is a dict. A list, tuple or array is a row of CSV, and so is a row of a DataFrame, whose
index is left out.

The other forms have names for columns: those of a DataFrame, the keys of dicts, "0", "1" ... for lists, and
`prediction` for scalars.
"""

from __future__ import annotations

import csv
import io
import json
import math
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from penstock_worker.batch.returned import is_frame, is_polars, is_row
from penstock_worker.kinds import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock_worker.batch.column_names import ColumnNames

_SUFFIXES = {"azure": ".csv", "csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet"}
_ONLY_COLUMN = "prediction"
_DIGITS = 15  # of numbers in JSON that pandas writes, of which ten are its default


class ScriptRows:
    def __init__(self, output_format: str, columns: ColumnNames) -> None:
        self._format = output_format
        self._columns = columns
        self.suffix = _SUFFIXES[output_format]

    def write(self, returned: Any, file: BinaryIO) -> None:
        """Write the rows of anything that `count_of` counts. Raises OSError of `file`, and whatever comes of what
        cannot be written so."""
        if self._format == "parquet":
            file.write(_parquet(returned))
        elif self._format == "jsonl":
            file.write(_json_lines(returned))
        else:
            # Half a character, from the name of a file that is no UTF-8, must not make the whole output unreadable.
            text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
            if self._format == "azure":
                _azure(returned, text)
            else:
                _csv(returned, self._columns, text)
            text.detach()


def _azure(returned: Any, out: TextIO) -> None:
    rows = csv.writer(out, lineterminator="\n")
    for item in (returned,) if is_frame(returned) else returned:
        if is_frame(item):
            _frame(item, out)
        elif is_row(item):
            rows.writerow(item)
        elif is_object(item):
            out.write(f"{ {name: _scalar(value) for name, value in item.items()} }\n")
        else:
            out.write(f"{item!s}\n")


def _csv(returned: Any, columns: ColumnNames, out: TextIO) -> None:
    if is_frame(returned):
        names = list(returned.columns)
        agreed = columns.agreed([str(name) for name in names])
        _frame(returned if agreed == names else returned[agreed], out)
        return
    records = _records(returned)
    csv.DictWriter(out, columns.agreed(list(records[0])), lineterminator="\n").writerows(records)


def _json_lines(returned: Any) -> bytes:
    if not is_frame(returned):
        return _bytes("".join(f"{_json(record)}\n" for record in _records(returned)))
    if is_polars(returned):
        return returned.write_ndjson().encode()
    text: str = returned.to_json(orient="records", lines=True, double_precision=_DIGITS, date_format="iso")
    return _bytes(text if text.endswith("\n") else text + "\n")


def _parquet(returned: Any) -> bytes:
    out = io.BytesIO()
    if not is_frame(returned):
        table = import_module("pyarrow").Table.from_pylist(_records(returned))
        import_module("pyarrow.parquet").write_table(table, out)
    elif is_polars(returned):
        returned.write_parquet(out)
    else:
        returned.to_parquet(out, index=False)
    return out.getvalue()


def _frame(frame: Any, out: TextIO) -> None:
    if is_polars(frame):
        out.write(frame.write_csv(include_header=False))
    else:
        frame.to_csv(out, header=False, index=False)


def _records(items: Iterable[Any]) -> list[dict[str, Any]]:
    return [_record(item) for item in items]


def _record(item: Any) -> dict[str, Any]:
    if is_frame(item):
        raise TypeError("it returned a list of DataFrames; return one, made by concat()")
    if is_object(item):
        return {str(name): _plain(value) for name, value in item.items()}
    if is_row(item):
        return {str(number): _plain(value) for number, value in enumerate(item)}
    return {_ONLY_COLUMN: _plain(item)}


def _json(record: dict[str, Any]) -> str:
    try:
        return json.dumps(record, default=_nested, allow_nan=False)
    except ValueError:  # NaN or an infinity, perhaps deep inside
        return json.dumps(_finite(json.loads(json.dumps(record, default=_nested))))


def _finite(value: Any) -> Any:
    """What JSON gave, with nulls for the numbers that it does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_object(value):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if is_list(value) else value


def _nested(value: Any) -> Any:
    """A value inside of another that json does not know."""
    if not hasattr(value, "dtype"):
        raise TypeError(f"a {type(value).__name__} is nothing that JSON has")
    return _plain(value)


def _plain(value: Any) -> Any:
    """A value as Python has it, and None for NaN, which JSON does not know."""
    value = _scalar(value)
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN is not itself


def _scalar(value: Any) -> Any:
    """A value of numpy's as Python has it."""
    return value.tolist() if hasattr(value, "dtype") and hasattr(value, "tolist") else value


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")

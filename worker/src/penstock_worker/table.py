"""Tables in all the shapes that callers send: split, records, rows, columns. Pure Python, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock_worker.kinds import is_list, is_object, kind_of
from penstock_worker.payload import RECORDS_KEY, SPLIT_KEY, refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeGuard

    from penstock_worker.payload import Payload
    from penstock_worker.signature import Field, Signature


@dataclass(frozen=True)
class Table:
    """Columns of one length. `names` is None if the caller gave none; `index` likewise."""

    names: list[Any] | None
    columns: list[list[Any]]
    index: list[Any] | None = None

    @property
    def rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def is_split(value: Any) -> TypeGuard[dict[str, Any]]:
    """True for the shape `{columns, data[, index]}`, of which data alone must be there."""
    return is_object(value) and is_list(value.get("data")) and set(value) <= {"columns", "index", "data"}


def table_of(payload: Payload, signature: Signature | None) -> Table:
    """The table that the payload holds; raises `BadInputError` naming the row or column at fault."""
    key, data = payload.key, payload.data
    if key == SPLIT_KEY and not is_split(data):
        raise refusal(f"{key} must be an object with the keys columns and data; it is {kind_of(data)}")
    if key == RECORDS_KEY and not (is_list(data) and all(is_object(row) for row in data)):
        raise refusal(f"{key} must be a list of objects, one per row")
    if is_split(data):
        table = _split(key, data)
    elif is_object(data):
        table = _by_name(key, data, nested=signature is not None and signature.nested)
    else:
        table = _listed(key, data if is_list(data) else [data], signature)
    if table.rows == 0:
        raise refusal(f"{key} has no rows")
    return table


def arrange(table: Table, fields: Sequence[Field], key: str) -> list[list[Any] | None]:
    """The column of each field, None for an absent optional one. Raises `BadInputError` if a required one is absent."""
    if table.names is None or any(field.name is None for field in fields):
        return _by_position(table, fields, key)
    places = {name: place for place, name in enumerate(table.names)}
    missing = [field.name for field in fields if field.required and field.name not in places]
    if missing:
        raise refusal(
            f"{key} lacks {_columns(missing)}; the model expects {', '.join(str(field.name) for field in fields)}"
        )
    return [table.columns[places[field.name]] if field.name in places else None for field in fields]


def _split(key: str, data: dict[str, Any]) -> Table:
    rows, names, index = data["data"], data.get("columns"), data.get("index")
    if names is not None and not (is_list(names) and all(isinstance(name, (str, int)) for name in names)):
        raise refusal(f"{key}.columns must be a list of names")
    if names is not None and len(set(names)) < len(names):
        raise refusal(f"{key}.columns has a name twice: {', '.join(map(str, names))}")
    if index is not None and (not is_list(index) or len(index) != len(rows)):
        raise refusal(f"{key}.index must be a list with one entry per row, {len(rows)} in all")
    if names is not None and len(names) == 1 and not any(is_list(row) for row in rows):
        return Table(names, [rows], index)
    return Table(names, _transposed(f"{key}.data", rows, None if names is None else len(names)), index)


def _by_name(key: str, data: dict[str, Any], *, nested: bool) -> Table:
    """A dict of lists is columns; a dict of scalars, or for a model with nested columns any dict, is one row."""
    values = list(data.values())
    if nested or not any(is_list(value) for value in values):
        return Table(list(data), [[value] for value in values])
    lengths = {name: len(value) if is_list(value) else -1 for name, value in data.items()}
    if -1 in lengths.values():
        name = next(name for name, length in lengths.items() if length < 0)
        raise refusal(f"{key}: column {name!r} must be a list as the others; it is {kind_of(data[name])}")
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        raise refusal(f"{key}: the columns have different numbers of values ({found})")
    return Table(list(data), values)


def _listed(key: str, data: list[Any], signature: Signature | None) -> Table:
    if data and all(is_object(row) for row in data):
        return _records(data, signature)
    if not any(is_list(row) for row in data):
        # Single values are the rows of a table with one column.
        return Table(None, [data])
    return Table(None, _transposed(key, data, None))


def _records(rows: list[dict[str, Any]], signature: Signature | None) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    required = [] if signature is None else [f.name for f in signature.fields if f.required and f.name in names]
    for number, row in enumerate(rows):
        for name in required:
            if name not in row:
                raise refusal(f"row {number} lacks column {name!r}")
    return Table(names, [[row.get(name) for row in rows] for name in names])


def _transposed(what: str, rows: list[Any], width: int | None) -> list[list[Any]]:
    for number, row in enumerate(rows):
        if not is_list(row):
            raise refusal(f"{what}: row {number} must be a list of values; it is {kind_of(row)}")
        width = len(row) if width is None else width
        if len(row) != width:
            raise refusal(f"{what}: row {number} has {len(row)} values; {width} are expected")
    return [[row[place] for row in rows] for place in range(width or 0)]


def _by_position(table: Table, fields: Sequence[Field], key: str) -> list[list[Any] | None]:
    if len(table.columns) != len(fields):
        names = ", ".join(str(field.name) for field in fields if field.name is not None)
        expected = f"{len(fields)} columns" + (f" ({names})" if names else "")
        raise refusal(f"{key} has {len(table.columns)} columns; the model expects {expected}")
    return list(table.columns)


def _columns(names: list[Any]) -> str:
    quoted = ", ".join(repr(name) for name in names)
    return f"column {quoted}" if len(names) == 1 else f"columns {quoted}"

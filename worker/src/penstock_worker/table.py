"""Tables in all the shapes that callers send: split, records, rows, columns. Pure Python, column by column."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock_worker.faults import Fault, faulty
from penstock_worker.kinds import is_list, is_object, kind_of
from penstock_worker.payload import RECORDS_KEY, SPLIT_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeGuard

    from penstock_worker.faults import Faults
    from penstock_worker.payload import Payload
    from penstock_worker.signature import Field, Signature

_LISTED = 20  # names in one sentence, and unknown ones that are compared
_COMPARED = 1000  # names that an unknown one is compared with


class Absent:
    """Stands for a value that a record has not; told apart from null, which it may have."""

    def __bool__(self) -> bool:
        return False


ABSENT = Absent()


@dataclass(frozen=True)
class Table:
    """Columns of one length. `names` is None if the caller gave none; `index` likewise.

    `numbers` are the rows' own numbers where some were left out, which had faults.
    """

    names: list[Any] | None
    columns: list[list[Any]]
    index: list[Any] | None = None
    numbers: list[int] | None = None

    @property
    def rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def is_split(value: Any) -> TypeGuard[dict[str, Any]]:
    """True for the shape `{columns, data[, index]}`, of which data alone must be there."""
    return is_object(value) and is_list(value.get("data")) and set(value) <= {"columns", "index", "data"}


def table_of(payload: Payload, signature: Signature | None, faults: Faults) -> Table:
    """The table that the payload holds. Rows that do not fit are left out and added to `faults`.

    Raises `FaultyInputError` where there is no table to be made at all. A record without a required value has `ABSENT`.
    """
    key, data = payload.key, payload.data
    if key == SPLIT_KEY and not is_split(data):
        raise faulty(f"{key} must be an object with the keys columns and data", f"; it is {kind_of(data)}")
    if key == RECORDS_KEY and not (is_list(data) and all(is_object(row) for row in data)):
        raise faulty(f"{key} must be a list of objects, one per row")
    if is_split(data):
        table = _split(key, data, faults)
    elif is_object(data):
        table = _by_name(key, data, faults, nested=signature is not None and signature.nested)
    else:
        table = _listed(key, data if is_list(data) else [data], signature, faults)
    if table.rows == 0:
        faults.check()
        raise faulty(f"{key} has no rows")
    return table


def arrange(table: Table, fields: Sequence[Field], key: str, faults: Faults) -> list[list[Any] | None]:
    """The column of each field, None for one that is absent, which is a fault if it is required."""
    if table.names is None or any(field.name is None for field in fields):
        return _by_position(table, fields, key)
    places = {name: place for place, name in enumerate(table.names)}
    missing = [field.name for field in fields if field.required and field.name not in places]
    if missing:
        _note_missing(missing, places, fields, key, faults)
    return [table.columns[places[field.name]] if field.name in places else None for field in fields]


def note_unknown(names: Sequence[Any], fields: Sequence[Field], faults: Faults) -> None:
    """Add the columns that no field has, each with the nearest field that there is."""
    known = {field.name.lower(): field.name for field in fields[:_COMPARED] if field.name is not None}
    present = {field.name for field in fields}
    for number, name in enumerate(name for name in names if name not in present):
        near = difflib.get_close_matches(str(name)[:100].lower(), known, n=1) if number < _LISTED else []
        hint = f"; did you mean {known[near[0]]!r}?" if near else ""
        expected = f"no such column{hint}"
        faults.add(Fault(f"there is no column {str(name)[:100]!r}{hint}", column=str(name), expected=expected))


def _note_missing(
    missing: Sequence[str | None], places: dict[Any, int], fields: Sequence[Field], key: str, faults: Faults
) -> None:
    names = [str(name) for name in missing]
    every = _listed_names([str(field.name) for field in fields])
    types = {field.name: field.type for field in fields}
    for number, name in enumerate(names):
        what = f"{key} lacks {_columns(names)}; the model expects {every}" if number == 0 else f"{key} lacks {name!r}"
        faults.add(Fault(what, column=name, expected=f"a column of {types[name]}", got="nothing"))
    note_unknown(list(places), fields, faults)


def _split(key: str, data: dict[str, Any], faults: Faults) -> Table:
    rows, names, index = data["data"], data.get("columns"), data.get("index")
    if names is not None and not (is_list(names) and all(isinstance(name, (str, int)) for name in names)):
        raise faulty(f"{key}.columns must be a list of names")
    if names is not None and len(set(names)) < len(names):
        raise faulty(f"{key}.columns has a name twice", f": {_listed_names(list(map(str, names)))}")
    if index is not None and (not is_list(index) or len(index) != len(rows)):
        raise faulty(f"{key}.index must be a list with one entry per row, {len(rows)} in all")
    if names is not None and len(names) == 1 and not any(is_list(row) for row in rows):
        return Table(names, [rows], index)
    kept, numbers = _level(f"{key}.data", rows, None if names is None else len(names), faults)
    if index is not None and numbers is not None:
        index = [index[number] for number in numbers]
    return Table(names, _transposed(kept), index, numbers)


def _by_name(key: str, data: dict[str, Any], faults: Faults, *, nested: bool) -> Table:
    """A dict of lists is columns; a dict of scalars, or for a model with nested columns any dict, is one row."""
    values = list(data.values())
    if nested or not any(is_list(value) for value in values):
        return Table(list(data), [[value] for value in values])
    for name, value in data.items():
        if not is_list(value):
            got = kind_of(value)
            what = f"{key}: column {name[:100]!r} must be a list as the others"
            faults.add(Fault(what, f"; it is {got}", column=name, expected="a list as the others", got=got))
    lengths = {name: len(value) for name, value in data.items() if is_list(value)}
    if len(set(lengths.values())) > 1:
        found = _listed_names([f"{name[:100]!r}: {length}" for name, length in lengths.items()])
        faults.add(Fault(f"{key}: the columns have different numbers of values ({found})"))
    faults.check()
    return Table(list(data), values)


def _listed(key: str, data: list[Any], signature: Signature | None, faults: Faults) -> Table:
    if data and all(is_object(row) for row in data):
        return _records(data, signature, faults)
    if not any(is_list(row) for row in data):
        # Single values are the rows of a table with one column.
        return Table(None, [data])
    width = None if signature is None else len(signature.fields)
    kept, numbers = _level(key, data, _commonest(data, width), faults)
    return Table(None, _transposed(kept), None, numbers)


def _records(rows: list[dict[str, Any]], signature: Signature | None, faults: Faults) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    required = set[str]() if signature is None else {f.name for f in signature.fields if f.required and f.name}
    columns: list[list[Any]] = []
    for name in names:
        if name not in required:
            columns.append([row.get(name) for row in rows])
            continue
        column = [row.get(name, ABSENT) for row in rows]
        columns.append(column)
        for number in [at for at, value in enumerate(column) if value is ABSENT] if ABSENT in column else ():
            what = f"row {number} lacks column {name!r}"
            faults.add(Fault(what, row=number, column=name, expected="a value", got="nothing"))
    return Table(names, columns)


def _commonest(rows: list[Any], expected: int | None) -> int:
    """How wide rows are meant to be: as the model expects if any is, else as the first one is."""
    widths = [len(row) for row in rows if is_list(row)]
    return expected if expected in widths else widths[0]


def _level(what: str, rows: list[Any], width: int | None, faults: Faults) -> tuple[list[Any], list[int] | None]:
    """The rows that are lists of one width, and their numbers if some are not."""
    width = next((len(row) for row in rows if is_list(row)), 0) if width is None else width
    numbers = [number for number, row in enumerate(rows) if is_list(row) and len(row) == width]
    if len(numbers) == len(rows):
        return rows, None
    for number, row in enumerate(rows):
        if not is_list(row):
            got = kind_of(row)
            sentence = f"{what}: row {number} must be a list of values"
            faults.add(Fault(sentence, f"; it is {got}", number, None, f"a list of {width} values", got))
        elif len(row) != width:
            got = f"{len(row)} values"
            sentence = f"{what}: row {number} has {got}; {width} are expected"
            faults.add(Fault(sentence, row=number, expected=f"{width} values", got=got))
    return [rows[number] for number in numbers], numbers


def _transposed(rows: list[Any]) -> list[list[Any]]:
    return list(map(list, zip(*rows)))  # noqa: B905 - Python 3.9


def _by_position(table: Table, fields: Sequence[Field], key: str) -> list[list[Any] | None]:
    if len(table.columns) != len(fields):
        names = _listed_names([str(field.name) for field in fields if field.name is not None])
        expected = f"{len(fields)} columns" + (f" ({names})" if names else "")
        raise faulty(f"{key} has {len(table.columns)} columns; the model expects {expected}")
    return list(table.columns)


def _columns(names: list[str]) -> str:
    quoted = _listed_names([repr(name[:100]) for name in names])
    return f"column {quoted}" if len(names) == 1 else f"columns {quoted}"


def _listed_names(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")

"""Which rows of a table fit a model's signature, and their columns as the model takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from penstock_worker.kinds import kind_of
from penstock_worker.signature import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock_worker.batch.arrow_columns import ArrowColumns
    from penstock_worker.signature import Field, Signature

_LISTED = 10
_MOST_FAULTS = 3  # that are told of one row


class Fitted(NamedTuple):
    """The columns of the rows that fit, by name in the signature's order.

    `wrong` is an Arrow boolean for each row of the table, None if all fit; `reasons` are by place in the table.
    """

    columns: dict[str, Any]
    wrong: Any
    reasons: Mapping[int, str]


class MisfitError(Exception):
    """No row can fit: columns are missing, or of a type that never becomes the model's. The message says which."""


class _Fault(NamedTuple):
    field: Field
    name: str
    column: Any
    wrong: Any


def fit(table: Any, signature: Signature, arrow_columns: ArrowColumns, compute: Any) -> Fitted:
    """Fit the Arrow `table` to a signature of columns; those it does not name are left out. Raises `MisfitError`."""
    columns: dict[str, Any] = {}
    faults: list[_Fault] = []
    for field, place in _places(table.column_names, signature):
        name, column = table.column_names[place], table.column(place)
        try:
            columns[name], wrong = arrow_columns.converted(field, column)
        except TypeError:
            expected = EXPECTED.get(field.type, field.type)
            raise MisfitError(f"column {name!r} is of type {column.type}; the model expects {expected}") from None
        if wrong is not None:
            faults.append(_Fault(field, name, column, wrong))
    if not faults:
        return Fitted(columns, None, {})
    wrong = faults[0].wrong
    for fault in faults[1:]:
        wrong = compute.or_(wrong, fault.wrong)
    right = compute.invert(wrong)
    return Fitted({name: column.filter(right) for name, column in columns.items()}, wrong, _reasons(faults, compute))


def _places(names: Sequence[str], signature: Signature) -> list[tuple[Field, int]]:
    """The fields that the table has columns for, and which those are."""
    if not signature.named:
        if len(names) < len(signature.fields):
            raise MisfitError(f"there are {len(names)} columns; the model expects {len(signature.fields)}")
        return [(field, place) for place, field in enumerate(signature.fields)]
    found = {name: len(names) - 1 - place for place, name in enumerate(reversed(names))}
    missing = [repr(field.name) for field in signature.fields if field.required and field.name not in found]
    if missing:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        what = "column" if len(missing) == 1 else "columns"
        raise MisfitError(f"{what} {', '.join(missing[:_LISTED])}{more} missing, which the model expects")
    return [(field, found[field.name]) for field in signature.fields if field.name in found]


def _reasons(faults: Sequence[_Fault], compute: Any) -> dict[int, str]:
    told: dict[int, list[str]] = {}
    for fault in faults:
        expected = EXPECTED.get(fault.field.type, fault.field.type)
        rows = compute.indices_nonzero(fault.wrong)
        for row, value in zip(rows.to_pylist(), fault.column.take(rows).to_pylist()):  # noqa: B905 - Python 3.9
            sentences = told.setdefault(row, [])
            if len(sentences) < _MOST_FAULTS:
                sentences.append(f"column {fault.name!r}: expected {expected}, got {kind_of(value)}")
    return {row: "; ".join(sentences) for row, sentences in told.items()}

"""Tables of numbers, texts and booleans read at once: the types of a whole row are looked up, not those of each value.

What does not fit in any way is left to the general reading, which knows how to say what is wrong.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from penstock_worker.matrix import ordered_rows

if TYPE_CHECKING:
    from penstock_worker.payload import Payload
    from penstock_worker.signature import Field, Signature

_LIMITS = {"long": 1 << 63, "integer": 1 << 31}
_FRACTIONS = ("double", "float")
_CLASSES: dict[str, tuple[type, ...]] = {
    "double": (float, int),
    "float": (float, int),
    "long": (int,),
    "integer": (int,),
    "boolean": (bool,),
    "string": (str,),
}
_NOTHING: frozenset[int] = frozenset()
_MOST_KNOWN = 128  # kinds of rows that are remembered: there is one for each way to leave values out


class TypedRows:
    """Reads tables with one column per field of a signature, in its order."""

    def __init__(self, fields: tuple[Field, ...], names: list[str]) -> None:
        self._fields = fields
        self._names = names
        self._whole = [(at, _LIMITS[field.type]) for at, field in enumerate(fields) if field.type in _LIMITS]
        self._known: dict[tuple[type, ...], frozenset[int]] = {}

    @classmethod
    def of(cls, signature: Signature) -> TypedRows | None:
        """None where a column has no name, or holds what JSON has no type for."""
        if signature.tensors or not signature.named or not all(field.type in _CLASSES for field in signature.fields):
            return None
        return cls(signature.fields, signature.names)

    def read(self, payload: Payload) -> dict[Any, list[Any]] | None:
        """The columns of the payload as the model takes them; None if anything about it must be looked at."""
        rows = ordered_rows(payload, self._names)
        if not rows:
            return None
        changing = self._changing(rows)
        if changing is None or (self._whole and not self._fit(rows)):
            return None
        columns = list(map(list, zip(*rows)))  # noqa: B905 - Python 3.9
        try:
            for at in changing:
                columns[at] = [math.nan if value is None else float(value) for value in columns[at]]
        except OverflowError:
            return None
        return dict(zip(self._names, columns))  # noqa: B905 - Python 3.9

    def _changing(self, rows: list[Any]) -> frozenset[int] | None:
        """Columns with values that become numbers with a fraction; None if a row does not fit."""
        known, changing = self._known, _NOTHING
        for row in rows:
            if row.__class__ is not list:
                return None
            types = tuple(map(type, row))
            fractions = known.get(types)
            if fractions is None:
                fractions = self._learn(types)
                if fractions is None:
                    return None
            if fractions:
                changing |= fractions
        return changing

    def _learn(self, types: tuple[type, ...]) -> frozenset[int] | None:
        """Columns whose values become numbers with a fraction in a row of these types; None if one does not fit."""
        if len(types) != len(self._fields):
            return None
        changing: list[int] = []
        for at, (kind, field) in enumerate(zip(types, self._fields)):  # noqa: B905 - Python 3.9
            if not (kind in _CLASSES[field.type] or (kind is type(None) and _may_be_null(field))):
                return None
            if field.type in _FRACTIONS and kind is not float:
                changing.append(at)
        fractions = frozenset(changing)
        if len(self._known) < _MOST_KNOWN:
            self._known[types] = fractions
        return fractions

    def _fit(self, rows: list[list[Any]]) -> bool:
        if len(rows) == 1:
            row = rows[0]
            return all(-limit <= row[at] < limit for at, limit in self._whole)
        for at, limit in self._whole:
            column = [row[at] for row in rows]
            if min(column) < -limit or max(column) >= limit:
                return False
        return True


def _may_be_null(field: Field) -> bool:
    return field.type in ("double", "float", "string") or (field.type == "boolean" and not field.required)

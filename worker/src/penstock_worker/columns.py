"""Values of a column as MLflow's types want them, from what JSON can say. Pure Python; times need a parser."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.nested import with_fractions
from penstock_worker.signature import ANY, EXPECTED
from penstock_worker.table import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock_worker.faults import Faults
    from penstock_worker.signature import Field

# How numpy holds a column without nulls; all others are held as objects.
DTYPES = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}

_AS_THEY_ARE = {"double": float, "float": float, "string": str, "boolean": bool}


def converted(
    field: Field, name: Any, values: list[Any], parse_time: Callable[[str], Any], faults: Faults, numbers: Any = None
) -> list[Any]:
    """`values` as the field's type; those that do not convert are added to `faults`, and `ABSENT` in the result.

    `name` is how the column is called, `numbers` are its rows' if they are not consecutive. `parse_time` raises
    ValueError for a text that is no time.
    """
    if field.type == ANY:
        return [with_fractions(value, field.nested) for value in values]
    if set(map(type, values)) == {_AS_THEY_ARE.get(field.type)}:
        return values
    convert = _CONVERTERS.get(field.type) or _strict(parse_time)
    result: list[Any] = []
    for row, value in enumerate(values):
        try:
            result.append(_empty(field) if value is None else convert(value))
        except (ValueError, TypeError, OverflowError):
            result.append(ABSENT)
            if value is not ABSENT:  # that it is has been said
                expected = EXPECTED.get(field.type, field.type)
                faults.value(name, row if numbers is None else numbers[row], expected, value)
    return result


def _strict(parse_time: Callable[[str], Any]) -> Callable[[Any], Any]:
    # A bare number does not say what it counts, or since when.
    return lambda value: parse_time(_text(value))


def _empty(field: Field) -> Any:
    """What null becomes; raises TypeError where the type has no such value."""
    if field.type in ("double", "float"):
        return math.nan
    if field.type in ("long", "integer") or (field.type == "boolean" and field.required):
        raise TypeError
    return None


def _number(value: Any) -> float:
    # MLflow's own server takes numbers that are spelled as strings; true and false are no numbers in either.
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _whole(bits: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, bool):
            raise TypeError
        number = int(value)
        if isinstance(value, float) and not value.is_integer():
            raise ValueError
        if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
            raise OverflowError
        return number

    return convert


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: Any) -> bytes:
    return base64.b64decode(_text(value), validate=True)


_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "double": _number,
    "float": _number,
    "long": _whole(64),
    "integer": _whole(32),
    "boolean": _truth,
    "string": _text,
    "binary": _bytes,
}

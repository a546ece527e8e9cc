"""Arrow columns converted to the types of a model's signature, whole columns at a time.

A column's type, how many nulls it has, its least and its greatest value tell in nearly all cases that all of it fits.
Texts are converted once for each distinct one.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from penstock_worker.signature import ANY

if TYPE_CHECKING:
    from penstock_worker.signature import Field

_BITS = {"long": 64, "integer": 32}
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class Converted(NamedTuple):
    """A column of the model's type. `wrong`: an Arrow boolean for each value that does not fit; None if all do."""

    column: Any
    wrong: Any = None


class ArrowColumns:
    """Converts columns. `instant` makes a time, in UTC, of a text; it raises ValueError."""

    def __init__(self, arrow: Any, compute: Any, instant: Callable[[str], Any]) -> None:
        self._arrow = arrow
        self._compute = compute
        self._instant = instant
        self._targets = {
            "double": arrow.float64(),
            "float": arrow.float32(),
            "long": arrow.int64(),
            "integer": arrow.int32(),
            "boolean": arrow.bool_(),
            "string": arrow.string(),
            "binary": arrow.binary(),
            "datetime": arrow.timestamp("ns"),
        }
        self._converters: dict[str, Callable[[Any, Any], Converted]] = {
            "double": self._number,
            "float": self._number,
            "long": self._whole,
            "integer": self._whole,
            "boolean": self._nothing,
            "string": self._nothing,
            "binary": self._binary,
            "datetime": self._time,
        }

    def converted(self, field: Field, column: Any) -> Converted:
        """`column` as the field's type. Raises TypeError if its own type can never become that."""
        if field.type == ANY:
            return Converted(column)
        found = self._of_type(field, self._plain(field, column))
        if column.null_count and not _may_be_null(field):
            return self._and_nulls(found)
        return found

    def _of_type(self, field: Field, column: Any) -> Converted:
        target = self._targets[field.type]
        if column.type == target:
            return Converted(column)
        if self._arrow.types.is_null(column.type):
            return Converted(column.cast(target))
        if self._is_text(self._value_type(column)):
            return Converted(column) if field.type == "string" else self._of_texts(field, column)
        return self._converters[field.type](column, target)

    def _plain(self, field: Field, column: Any) -> Any:
        """Without a dictionary, unless that saves work."""
        if not self._arrow.types.is_dictionary(column.type):
            return column
        value_type = column.type.value_type
        return column if self._is_text(value_type) else column.cast(value_type)

    def _is_text(self, kind: Any) -> bool:
        arrow, types = self._arrow, self._arrow.types
        return (
            types.is_string(kind)
            or types.is_large_string(kind)
            or kind == getattr(arrow, "string_view", arrow.string)()
        )

    def _value_type(self, column: Any) -> Any:
        return column.type.value_type if self._arrow.types.is_dictionary(column.type) else column.type

    def _nothing(self, _column: Any, _target: Any) -> Converted:
        raise TypeError

    def _binary(self, column: Any, target: Any) -> Converted:
        types = self._arrow.types
        if types.is_large_binary(column.type) or types.is_fixed_size_binary(column.type):
            return Converted(column.cast(target))
        raise TypeError

    def _number(self, column: Any, target: Any) -> Converted:
        types = self._arrow.types
        if types.is_integer(column.type) or types.is_floating(column.type) or types.is_decimal(column.type):
            return Converted(column.cast(target, safe=False))
        raise TypeError

    def _whole(self, column: Any, target: Any) -> Converted:
        types, compute, bits = self._arrow.types, self._compute, target.bit_width
        if types.is_decimal(column.type):
            column = column.cast(self._arrow.float64(), safe=False)
        if not (types.is_integer(column.type) or types.is_floating(column.type)):
            raise TypeError
        least, greatest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        if types.is_integer(column.type):
            extremes = compute.min_max(column)
            low, high = extremes["min"].as_py(), extremes["max"].as_py()
            if low is None or (low >= least and high <= greatest):
                return Converted(column.cast(target))
            wide = column.cast(self._arrow.decimal128(20))
            wrong = compute.or_(compute.less(wide, least), compute.greater(wide, greatest))
        else:
            # Not above: the greatest number of 64 bits has no float of its own; the next float is one too large.
            inside = compute.and_(
                compute.greater_equal(column, float(least)), compute.less(column, float(greatest + 1))
            )
            wrong = compute.invert(compute.and_(inside, compute.equal(column, compute.floor(column))))
        return self._cast_rest(column, wrong, target)

    def _time(self, column: Any, target: Any) -> Converted:
        types, arrow, compute = self._arrow.types, self._arrow, self._compute
        if types.is_date(column.type):
            column = column.cast(arrow.timestamp("s"))
        if not types.is_timestamp(column.type):
            raise TypeError
        column = column.cast(arrow.timestamp(column.type.unit))  # of a time with a zone: the same instant in UTC
        try:
            return Converted(column.cast(target))
        except arrow.ArrowInvalid:
            counts = column.cast(arrow.int64())
            most = (1 << 63) // {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[column.type.unit]
            wrong = compute.or_(compute.less(counts, -most + 1), compute.greater(counts, most - 1))
            return self._cast_rest(column, wrong, target)

    def _of_texts(self, field: Field, column: Any) -> Converted:
        """What texts spell, as in requests and in text files."""
        arrow, compute = self._arrow, self._compute
        encoded = column if arrow.types.is_dictionary(column.type) else compute.dictionary_encode(column)
        encoded = encoded.unify_dictionaries().combine_chunks() if hasattr(encoded, "chunks") else encoded
        if hasattr(encoded, "chunks"):
            encoded = encoded.chunk(0)
        parse = self._parser(field)
        values = [_spelled(text, parse) for text in encoded.dictionary.to_pylist()]
        good = arrow.array([value is not None for value in values], arrow.bool_())
        found = arrow.array(values, self._targets[field.type]).take(encoded.indices)
        wrong = compute.fill_null(compute.invert(good.take(encoded.indices)), False)
        return Converted(found, wrong if compute.any(wrong).as_py() else None)

    def _parser(self, field: Field) -> Callable[[str], Any]:
        if field.type in _BITS:
            return _whole_of(_BITS[field.type])
        if field.type == "datetime":
            return self._instant
        if field.type == "binary":
            return lambda text: base64.b64decode(text, validate=True)
        return float if field.type in ("double", "float") else lambda text: _TRUTHS[text.strip().lower()]

    def _cast_rest(self, column: Any, wrong: Any, target: Any) -> Converted:
        compute = self._compute
        wrong = compute.fill_null(wrong, False)
        if not compute.any(wrong).as_py():
            return Converted(column.cast(target, safe=False))
        nothing = self._arrow.scalar(None, column.type)
        return Converted(compute.if_else(wrong, nothing, column).cast(target, safe=False), wrong)

    def _and_nulls(self, found: Converted) -> Converted:
        nulls = found.column.is_null()
        return Converted(found.column, nulls if found.wrong is None else self._compute.or_(found.wrong, nulls))


def _may_be_null(field: Field) -> bool:
    if field.type == "boolean":
        return not field.required
    return field.type not in _BITS


def _spelled(text: str | None, parse: Callable[[str], Any]) -> Any:
    try:
        return None if text is None else parse(text)
    except (ValueError, KeyError, OverflowError):
        return None


def _whole_of(bits: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
            raise OverflowError
        return number

    return parse

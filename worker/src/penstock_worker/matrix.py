"""Tables of numbers alone, the commonest input, read at once: checked and made an array without a look at each column.

What does not fit in any way is left to the general reading, which knows how to say what is wrong.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from penstock_worker.kinds import is_list
from penstock_worker.payload import RECORDS_KEY

if TYPE_CHECKING:
    from penstock_worker.payload import Payload
    from penstock_worker.signature import Signature

_WHOLE = {"long": 64, "integer": 32}
_NUMBERS = frozenset((float, int))
_EXACT = 1 << 53  # whole numbers up to here are the same in float64


class Matrices:
    """Reads matrices with one column per field of a signature, in its order."""

    def __init__(self, names: list[str], numpy: Any, dtype: str, whole: list[tuple[int, int]]) -> None:
        self.names = names
        self.dtype = dtype
        self._numpy = numpy
        self._whole = whole  # columns of whole numbers, and their bits
        self._width = len(names)

    @classmethod
    def of(cls, signature: Signature, numpy: Any) -> Matrices | None:
        """None where a column may be absent, has no name, or holds anything but numbers, or floats of both sizes."""
        types = {field.type for field in signature.fields}
        if signature.tensors or not signature.named or not all(field.required for field in signature.fields):
            return None
        if types == {"float"}:
            return cls(signature.names, numpy, "float32", [])
        if not types <= {"double", "long", "integer"}:
            return None
        whole = [(at, _WHOLE[field.type]) for at, field in enumerate(signature.fields) if field.type in _WHOLE]
        return cls(signature.names, numpy, "float64", whole)

    def read(self, payload: Payload) -> Any:
        """The matrix of the payload; None if there is anything about it that must be looked at."""
        rows = ordered_rows(payload, self.names)
        if not rows:
            return None
        width = self._width
        for row in rows:
            if row.__class__ is not list or len(row) != width or not _NUMBERS.issuperset(map(type, row)):
                return None
        try:
            matrix = self._numpy.array(rows, dtype=self.dtype)
        except OverflowError:
            return None
        return self.checked(matrix)

    def checked(self, matrix: Any) -> Any:
        """`matrix` if its columns of whole numbers hold such numbers, and none that is too large; else None."""
        return matrix if not self._whole or self._are_whole(matrix) else None

    def _are_whole(self, matrix: Any) -> bool:
        numpy = self._numpy
        for at, bits in self._whole:
            column = matrix[:, at]
            limit = min(_EXACT, 1 << (bits - 1))
            if not ((numpy.floor(column) == column).all() and (column < limit).all() and (column > -limit).all()):
                return False
        return True


def ordered_rows(payload: Payload, names: list[str]) -> Any:
    """The rows of the payload, values in the order of `names`; None if it takes a closer look to find them."""
    data, width = payload.data, len(names)
    if data.__class__ is dict:
        if not _plain_index(data):
            return None
        return data["data"] if data.get("columns") == names else _reordered(data, names)
    if data.__class__ is not list or not data:
        return None
    if data[0].__class__ is not dict:
        return None if payload.key == RECORDS_KEY else data
    try:
        if all(row.__class__ is dict and len(row) == width for row in data):
            return [[row[name] for name in names] for row in data]
    except KeyError:
        pass
    return None


def _reordered(data: dict[str, Any], names: list[str]) -> Any:
    """The rows of a split table that has the same columns in another order."""
    columns, rows, width = data.get("columns"), data["data"], len(names)
    if not (is_list(columns) and len(columns) == width and is_list(rows)):
        return None
    try:
        places = dict(zip(columns, range(width)))  # noqa: B905 - Python 3.9
        values = itemgetter(*[places[name] for name in names])
    except (KeyError, TypeError):
        return None
    if not all(row.__class__ is list and len(row) == width for row in rows):
        return None
    return [list(values(row)) for row in rows]


def _plain_index(data: dict[str, Any]) -> bool:
    """True if an index says no more than the order of the rows does."""
    index, rows = data.get("index"), data.get("data")
    if rows is None:
        return False
    if index is None:
        return len(data) == 2
    return len(data) == 3 and is_list(rows) and index == list(range(len(rows)))

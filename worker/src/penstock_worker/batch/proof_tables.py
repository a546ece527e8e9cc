"""Tables to try a model on before there is a job: made up from its signature. Pure but for pyarrow."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_worker.signature import Field, Signature

_ROWS = 64
_GAP = 7  # every so many values of a column that may have gaps is one
_FIRST_DAY = datetime(2020, 1, 1)
_WORDS = ("a", "b", "Word", "two words", "1", "", "ä")

_MAKERS: dict[str, Callable[[random.Random], Any]] = {
    "double": lambda dice: round(dice.gauss(0, 3), 3),
    "float": lambda dice: round(dice.gauss(0, 3), 3),
    "long": lambda dice: dice.randrange(-3, 100),
    "integer": lambda dice: dice.randrange(-3, 100),
    "boolean": lambda dice: dice.random() < 0.5,
    "string": lambda dice: dice.choice(_WORDS),
    "binary": lambda dice: bytes(dice.randrange(256) for _ in range(4)),
    "datetime": lambda dice: _FIRST_DAY + timedelta(seconds=dice.randrange(200_000_000)),
}


def made_up(signature: Signature, arrow: Any) -> Iterator[Any]:
    """Arrow tables of rows that fit `signature`, those first that tell more: with gaps where they are allowed.

    None where the signature has types that nothing can be made up for.
    """
    if signature.tensors or any(field.type not in _MAKERS for field in signature.fields):
        return
    if not all(field.required for field in signature.fields):
        yield _table(signature, arrow, gaps=True)
    yield _table(signature, arrow, gaps=False)


def with_gaps(table: Any, signature: Signature, arrow: Any) -> Any:
    """`table` with a gap in each column that may have one."""
    for place, name in enumerate(table.column_names):
        field = next((field for field in signature.fields if field.name == name), None)
        if field is not None and not field.required:
            values = table.column(place).to_pylist()
            values[place % len(values)] = None
            table = table.set_column(place, name, arrow.array(values, table.column(place).type))
    return table


def _table(signature: Signature, arrow: Any, *, gaps: bool) -> Any:
    dice = random.Random(0)  # noqa: S311 - the same rows each time
    columns = [_column(field, place, dice, gaps=gaps) for place, field in enumerate(signature.fields)]
    names = [str(place) if field.name is None else field.name for place, field in enumerate(signature.fields)]
    return arrow.table([arrow.array(values) for values in columns], names)


def _column(field: Field, place: int, dice: random.Random, *, gaps: bool) -> list[Any]:
    make = _MAKERS[field.type]
    values = [make(dice) for _ in range(_ROWS)]
    if gaps and not field.required:
        values[place % _GAP :: _GAP] = [None] * len(values[place % _GAP :: _GAP])
    return values

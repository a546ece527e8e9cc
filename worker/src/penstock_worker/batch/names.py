"""Names of a file's columns, made distinct as pandas does."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from penstock_worker.batch.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.batch.wanted import Columns


def distinct(names: Sequence[str], columns: Columns | None) -> list[str]:
    """`a, a` as `a, a.1`; those without a name as `Unnamed: 0`, after their place.

    Raises `UnreadableError` if the model asks for a name that stands twice: which one is meant cannot be known.
    """
    counts = Counter(names)
    twice = [name for name, count in counts.items() if count > 1 and name]
    asked = [name for name in twice if columns is not None and name in columns.types]
    if asked:
        raise unreadable(f"column {asked[0]!r} stands there {counts[asked[0]]} times")
    found: dict[str, None] = {}
    taken = set(names)
    last: dict[str, int] = {}  # the number that a name was given last
    for place, name in enumerate(names):
        candidate, number = name or f"Unnamed: {place}", last.get(name, 0)
        while candidate in found or (number and candidate in taken):
            number += 1
            candidate = f"{name}.{number}"
        found[candidate], last[name] = None, number
    return list(found)

"""What run() of a batch script may return, and how many items that is.

A list, tuple, array or series has an item for each element; a DataFrame, of pandas or Polars, one for each row. Neither
library is imported here: whoever made a DataFrame has done that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeGuard


def count_of(returned: Any) -> int | None:
    """None: it is nothing that run() may return."""
    return len(returned) if is_row(returned) or is_frame(returned) else None


def is_row(value: Any) -> TypeGuard[Sequence[Any]]:
    """True for lists and tuples, and for arrays and series, which have at least one dimension."""
    return isinstance(value, (list, tuple)) or (hasattr(value, "dtype") and bool(getattr(value, "shape", ())))


def is_frame(value: Any) -> bool:
    return hasattr(value, "columns") and (is_polars(value) or hasattr(value, "to_csv"))


def is_polars(frame: Any) -> bool:
    return hasattr(frame, "write_csv")

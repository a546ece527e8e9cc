"""What run() of a batch script returned: how many items, and which bytes they come to.

A list, tuple, array or series has an item for each element; a DataFrame, of pandas or Polars, one for each row.
Neither library is imported: whoever made a DataFrame has done that.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeGuard

AZURE = "azure"
SUFFIXES = {AZURE: ".csv"}


def count_of(returned: Any) -> int | None:
    """None: it is nothing that run() may return."""
    return len(returned) if _is_row(returned) or _is_frame(returned) else None


def encoded(returned: Any, output_format: str) -> bytes:
    """The rows of all items, as the part of an output in `output_format` holds them.

    Azure's form has no header. A scalar is a line as str() has it, without quotes, as scripts make whole lines
    (`f"{name},{label}"`) of their items; so is a dict. A list, tuple or array is a row of CSV, and so is a row of a
    DataFrame; its index is left out.
    """
    out = io.StringIO()
    if _is_frame(returned):
        out.write(_frame_text(returned))
    else:
        _write_items(out, returned)
    return out.getvalue().encode("utf-8", "backslashreplace")


def _write_items(out: io.StringIO, items: Iterable[Any]) -> None:
    rows = csv.writer(out, lineterminator="\n")
    for item in items:
        if _is_row(item):
            rows.writerow(item)
        elif _is_frame(item):
            out.write(_frame_text(item))
        else:
            out.write(f"{item!s}\n")


def _frame_text(frame: Any) -> str:
    if hasattr(frame, "write_csv"):  # Polars
        return frame.write_csv(include_header=False)
    return frame.to_csv(header=False, index=False)


def _is_frame(value: Any) -> bool:
    return hasattr(value, "columns") and (hasattr(value, "to_csv") or hasattr(value, "write_csv"))


def _is_row(value: Any) -> TypeGuard[Sequence[Any]]:
    """True for lists and tuples, and for arrays and series, which have at least one dimension."""
    return isinstance(value, (list, tuple)) or (hasattr(value, "dtype") and bool(getattr(value, "shape", ())))

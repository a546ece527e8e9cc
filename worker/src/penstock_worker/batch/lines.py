"""Where the lines of a text end, which are its records: JSON Lines. Lines of nothing but spaces are none."""

from __future__ import annotations

import importlib
from typing import Any

_SPACES = b" \t\r"


class LineEnds:
    """Takes a text in blocks, as `records.RecordEnds` does."""

    def __init__(self) -> None:
        self._numpy: Any = importlib.import_module("numpy")
        self._begun = False  # the line that the block goes on with has more than spaces

    def of(self, block: bytes) -> tuple[Any, Any]:
        """Where in the block lines end, as offsets behind their line ends, and for each whether it is no record."""
        numpy = self._numpy
        codes = numpy.frombuffer(block, numpy.uint8)
        ends = numpy.flatnonzero(codes == ord(b"\n")) + 1
        starts = numpy.concatenate((numpy.zeros(1, ends.dtype), ends[:-1])) if len(ends) else ends
        empty = numpy.isin(codes[starts], list(_SPACES + b"\n"))
        for place in numpy.flatnonzero(empty).tolist():
            empty[place] = not block[starts[place] : ends[place]].strip()
        if len(ends):
            empty[0] &= not self._begun
        rest = int(ends[-1]) if len(ends) else 0
        self._begun = bool(block[rest:].strip()) or (self._begun and not len(ends))
        return ends, empty

    def last(self, block: bytes) -> int:
        """Where in the block the last line that it ends does; 0 if it ends none."""
        return block.rfind(b"\n") + 1

    @property
    def begun(self) -> bool:
        """True if the text so far ends with a record that no line end closes."""
        return self._begun

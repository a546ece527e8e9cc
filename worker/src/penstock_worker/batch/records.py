"""Where records of delimited text end, found for whole blocks at a time, as the parsers of Python and Arrow see it.

A line ends a record unless it ends between quotes. Whether it does, the number of quotes before it tells, once those
that only stand in the middle of a field, where they mean themselves, are left out. Nearly always there are none; that
is seen by the byte before each opening quote.
"""

from __future__ import annotations

import importlib
from typing import Any

QUOTE, LINE_FEED, RETURN = 0x22, 0x0A, 0x0D


class RecordEnds:
    """Takes a text in blocks, from the start of a record on. Records without a single byte count for nothing."""

    def __init__(self, delimiter: str) -> None:
        self._numpy: Any = importlib.import_module("numpy")
        self._before = LINE_FEED  # the byte before the block
        self._inside = 0  # 1: between quotes
        self._begun = 0  # bytes of the record that the block goes on with
        self._opens = self._numpy.zeros(256, bool)  # a quote after these bytes begins a quoted field, or goes on in one
        self._opens[[ord(delimiter), LINE_FEED, RETURN, QUOTE]] = True

    def of(self, block: bytes) -> tuple[Any, Any]:
        """Where in the block records end, as offsets behind their line ends, and for each whether it is no record.

        A block must not end between the two bytes of a line end.
        """
        numpy = self._numpy
        codes = numpy.frombuffer(block, numpy.uint8)
        ends = self._line_ends(block, codes)
        quotes = self._quotes(block, codes)
        if len(quotes) or self._inside:
            between = numpy.searchsorted(quotes, ends) + self._inside & 1
            ends = ends[between == 0]
        starts = numpy.empty_like(ends)
        if len(ends):
            starts[0], starts[1:] = -self._begun, ends[:-1] + 1
        lengths = ends - starts
        empty = (lengths == 0) | (
            (lengths == 1) & (ends > 0) & (codes[ends - 1] == RETURN) & (codes[ends] == LINE_FEED)
        )
        self._begun = len(block) - (int(ends[-1]) + 1) if len(ends) else self._begun + len(block)
        self._before = 0 if block[-1:] == b'"' and not (len(quotes) and quotes[-1] == len(block) - 1) else block[-1]
        self._inside ^= len(quotes) & 1
        return ends + 1, empty

    def last(self, block: bytes) -> int:
        """Where in the block the last record that it ends does; 0 if it ends none."""
        if self._inside or b'"' in block or b"\n" not in block:
            ends, _ = self.of(block)
            return int(ends[-1]) if len(ends) else 0
        end = block.rfind(b"\n") + 1
        self._begun = len(block) - end
        self._before = block[-1]
        return end

    @property
    def begun(self) -> bool:
        """True if the text so far ends with a record that no line end closes."""
        return self._begun > 0

    def _line_ends(self, block: bytes, codes: Any) -> Any:
        numpy = self._numpy
        ends = numpy.flatnonzero(codes == LINE_FEED)
        if b"\r" not in block:
            return ends
        returns = numpy.flatnonzero(codes == RETURN)
        alone = returns[codes[numpy.minimum(returns + 1, len(codes) - 1)] != LINE_FEED]
        return numpy.sort(numpy.concatenate((ends, alone))) if len(alone) else ends

    def _quotes(self, block: bytes, codes: Any) -> Any:
        """Those that begin or end a quoted part of a field."""
        numpy = self._numpy
        if b'"' not in block:
            return numpy.empty(0, numpy.int64)
        quotes = numpy.flatnonzero(codes == QUOTE)
        before = codes[quotes - 1]
        if quotes[0] == 0:
            before[0] = self._before
        if self._opens[before[self._inside :: 2]].all():
            return quotes
        return numpy.array(self._counting(quotes.tolist(), before.tolist()), numpy.int64)

    def _counting(self, quotes: list[int], before: list[int]) -> list[int]:
        found: list[int] = []
        inside = bool(self._inside)
        last = -1 if self._before == QUOTE else -2
        for place, code in zip(quotes, before):  # noqa: B905 - Python 3.9
            doubled = code == QUOTE and last == place - 1
            if inside or doubled or (code != QUOTE and self._opens[code]):
                found.append(place)
                inside = not inside
                last = place
        return found

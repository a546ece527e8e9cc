"""A JSON document that is no JSON Lines: one array of objects, or objects one below the other, however it is laid out.

It is parsed value by value, so that memory does not grow with it.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.text_pieces import check_length
from penstock_worker.batch.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SPACES = " \t\r\n"


def is_lines(sample: bytes) -> bool:
    """True if the first line with more than spaces is an object by itself."""
    first = next((line for line in sample.split(b"\n") if line.strip()), b"")
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def values(blocks: Iterable[bytes]) -> Iterator[Any]:
    """The values of a document. Raises `UnreadableError` where it is broken, after those before that place."""
    document = _Document(blocks)
    if not document.next_is("["):
        while not document.ended:
            yield document.value()
        return
    if not document.next_is("]"):
        yield document.value()
        while not document.next_is("]"):
            if not document.next_is(","):
                raise unreadable("its array of rows is broken: a comma is missing, or the end")
            yield document.value()
    if not document.ended:
        raise unreadable("something follows its array of rows: a file is one array, or a row in each line")


class _Document:
    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0

    @property
    def ended(self) -> bool:
        """True if there is nothing more but spaces."""
        return not self._skip_spaces()

    def next_is(self, character: str) -> bool:
        """True if the next character is this one, which is then passed over."""
        found = self._skip_spaces() and self._text[self._at] == character
        self._at += found
        return found

    def value(self) -> Any:
        self._skip_spaces()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                check_length(len(self._text) - self._at)
                if not self._more():
                    raise unreadable(f"its JSON is broken: {error}") from error
                continue
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._at = end
            return value

    def _skip_spaces(self) -> bool:
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACES:
                    return True
                self._at += 1
            if not self._more():
                return False

    def _more(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        self._text = self._text[self._at :] + self._utf8.decode(block)
        self._at = 0
        return True

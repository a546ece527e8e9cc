"""Whether a text is UTF-8, looked at block by block. What else it may be is not guessed."""

from __future__ import annotations

import codecs

from penstock_worker.batch.unreadable import unreadable

_OTHERS = ((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"), (codecs.BOM_UTF32_BE, "UTF-32"))


class Utf8:
    """`offset` is where in the file the text begins."""

    def __init__(self, offset: int = 0) -> None:
        self._offset = offset
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def check(self, block: bytes, *, final: bool = False) -> None:
        """Raises `UnreadableError`."""
        pending = len(self._decoder.getstate()[0])
        if pending or final or not block.isascii():
            begin = self._offset - pending
            if begin == 0:
                _refuse_others(block)
            try:
                self._decoder.decode(block, final)
            except UnicodeDecodeError as error:
                raise _not_utf8(error, begin + error.start) from error
        self._offset += len(block)


def _refuse_others(block: bytes) -> None:
    for mark, name in _OTHERS:
        if block.startswith(mark):
            raise unreadable(f"it is {name}; only UTF-8 is read. Save it as UTF-8")


def _not_utf8(error: UnicodeDecodeError, offset: int) -> Exception:
    byte = error.object[error.start]
    return unreadable(
        f"it is not UTF-8: byte 0x{byte:02x} at offset {offset}. "
        "Save it as UTF-8; if it is Latin-1: iconv -f LATIN1 -t UTF-8"
    )

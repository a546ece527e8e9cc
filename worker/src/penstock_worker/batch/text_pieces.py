"""A text in pieces of whole records, read with bounded memory, compressed or not."""

from __future__ import annotations

import codecs
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from penstock_worker.batch.encoding import Utf8
from penstock_worker.batch.input_file import arrow_source
from penstock_worker.batch.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from penstock_worker.batch.file_kind import FileKind

LONGEST_RECORD = 64 * 1024 * 1024  # bytes
_SKIPPED = 1 << 20


class Ends(Protocol):
    """Where records end, block by block."""

    def of(self, block: bytes) -> tuple[Any, Any]: ...

    def last(self, block: bytes) -> int: ...

    @property
    def begun(self) -> bool: ...


@dataclass
class Pace:
    """How many bytes are read at once; may be changed between two pieces."""

    bytes: int


class Text:
    """The characters of a file from byte `start` on, at most `length` of them (-1: to its end).

    What is compressed can only be read from its beginning; `start` then counts bytes of the text.
    """

    def __init__(self, stream: FileIO, kind: FileKind, start: int = 0, length: int = -1) -> None:
        self.begin = start  # where the text begins, behind a byte order mark
        self._stream: Any = stream
        self._left: int = length
        self._ended: bool = False
        self._utf8 = Utf8(start)
        stream.seek(0)
        if kind.compression:
            arrow: Any = importlib.import_module("pyarrow")
            self._stream = arrow.CompressedInputStream(arrow_source(stream), kind.compression)
            while start and (skipped := bytes(self._stream.read(min(start, _SKIPPED)))):
                start -= len(skipped)
        else:
            stream.seek(start)

    def blocks(self, pace: Pace) -> Iterator[bytes]:
        """Blocks never end between the two bytes of a line end. Raises `UnreadableError` for what is not UTF-8."""
        first = self.begin == 0
        held = b""  # a return that may begin a line end
        while block := held + self._read(pace.bytes):
            if block.endswith(b"\r") and not self._ended:
                block += self._read(1)
            held = b"\r" if block.endswith(b"\r") and not self._ended else b""
            block = block.removesuffix(held)
            self._utf8.check(block)
            if first and block.startswith(codecs.BOM_UTF8):
                self.begin = len(codecs.BOM_UTF8)
                block = block[self.begin :]
            first = False
            if block:
                yield block
        self._utf8.check(b"", final=True)

    def pieces(self, ends: Ends, pace: Pace) -> Iterator[bytes]:
        """The text in pieces that end where records do. Raises `UnreadableError`."""
        held: list[bytes] = []
        for block in self.blocks(pace):
            end = len(block) if self._ended else ends.last(block)
            if not end:
                held.append(block)
                check_length(sum(map(len, held)))
                continue
            yield b"".join((*held, block[:end]))
            held = [block[end:]]
        if rest := b"".join(held):
            yield rest

    def _read(self, size: int) -> bytes:
        if self._left >= 0:
            size = min(size, self._left)
        parts: list[bytes] = []
        missing = size
        while missing:
            part: bytes = self._stream.read(missing)
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        self._ended = missing > 0
        if self._left >= 0:
            self._left -= size - missing
            self._ended = self._left == 0
        return parts[0] if len(parts) == 1 else b"".join(parts)


def check_length(record: int) -> None:
    """Raises `UnreadableError` for a record of so many bytes if that is too long."""
    if record > LONGEST_RECORD:
        raise unreadable(f"a record is longer than {LONGEST_RECORD >> 20} MiB; is a quote missing?")

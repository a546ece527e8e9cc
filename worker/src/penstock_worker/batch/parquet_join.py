"""Parquet files made one without decoding a value: their pages are copied as they are, the footer alone is new.

1. Of each file, all between the magic bytes at its begin and its footer is appended to the output.
2. Every offset of its row groups grows by as much as its pages have moved.
3. The row groups of all files stand in one footer, below the schema of the first.

Page indexes hold offsets of their own; they are optional, and left out. Everything else stays: statistics, Bloom
filters, encodings, sizes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from penstock_worker.batch import thrift_compact
from penstock_worker.batch.copying import copy
from penstock_worker.batch.thrift_compact import I16, I64, LIST, Shape, Struct

_MAGIC = b"PAR1"
_TAIL = struct.Struct("<i4s")  # length of the footer, and the magic bytes again
_LARGEST_FOOTER = 2**31 - 1
_LARGEST_ORDINAL = 2**15 - 1

# Fields of parquet.thrift. Of the file:
_SCHEMA, _ROWS, _ROW_GROUPS, _KEY_VALUES, _COLUMN_ORDERS, _ENCRYPTION = 2, 3, 4, 5, 7, 8
# of a row group:
_COLUMNS, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 3, 5, 7
# of a column chunk:
_FILE_PATH, _CHUNK_OFFSET, _META_DATA, _INDEXES, _CRYPTO = 1, 2, 3, (4, 5, 6, 7), (8, 9)
# of its metadata, the offsets: data, index and dictionary page, Bloom filter
_PAGE_OFFSETS = (9, 10, 11, 14)
# of a key and its value:
_KEY, _VALUE = 1, 2

_SHAPE: Shape = {_ROW_GROUPS: {_COLUMNS: {_META_DATA: {}}}, _KEY_VALUES: {}}
_ARROW_SCHEMA = b"ARROW:schema"


class DifferentSchemasError(Exception):
    """The files are not of one schema, or hold what cannot be moved: they have to be read and written anew."""


@dataclass(frozen=True)
class _Kind:
    """What has to be the same in all files: schema and orders as Thrift has them, and Arrow's own schema."""

    schema: bytes
    orders: bytes
    arrow: bytes


def join(parts: Iterable[Path], to: Path, beat: Callable[[], None]) -> None:
    """Write the rows of `parts`, in their order, to the new file `to`. It is not flushed to disk.

    `beat` is called every some megabytes. Memory does not grow with the number of parts. Raises DifferentSchemasError,
    ValueError for what is no Parquet file, and OSError; `to` is not usable then.
    """
    # Row groups wait in a file, for their metadata comes after all pages.
    waiting = to.with_name(f"{to.name}.footer")
    with open(to, "xb", buffering=0) as file, open(waiting, "w+b") as groups:
        waiting.unlink()
        joined = _Joined(file.fileno(), beat)
        file.write(_MAGIC)
        for part in parts:
            with open(part, "rb", buffering=0) as source:
                for group in joined.take(source.fileno(), part):
                    groups.write(group)
        groups.flush()
        joined.end(groups.fileno())


class _Joined:
    """The file that grows, and how far it is."""

    def __init__(self, target: int, beat: Callable[[], None]) -> None:
        self._target = target
        self._beat = beat
        self._at = len(_MAGIC)
        self._groups = 0
        self._rows = 0
        self._first: Struct | None = None
        self._kind: _Kind | None = None

    def take(self, source: int, name: Path) -> Iterable[bytes]:
        """Append the pages of a file; returns its row groups as they stand in the new footer."""
        footer, pages_end = _footer_of(source, name)
        kind = _kind_of(footer)
        if self._first is None or self._kind is None:
            self._first, self._kind = footer, kind
        elif kind != self._kind:
            raise DifferentSchemasError(f"{name} has another schema than the files before it")
        groups = [group for group in footer[_ROW_GROUPS][1] if group[_GROUP_ROWS][1]]
        if not groups:
            self._beat()
            return []
        begin = len(_MAGIC)
        moved = [self._moved(group, self._at - begin) for group in groups]
        copy(source, begin, pages_end - begin, self._target, self._beat)
        self._at += pages_end - begin
        self._rows += sum(group[_GROUP_ROWS][1] for group in groups)
        return moved

    def end(self, groups: int) -> None:
        """Write the footer."""
        if self._first is None:
            raise ValueError("there are no files to join")
        footer = {**self._first, _ROWS: (I64, self._rows), _KEY_VALUES: (LIST, _arrow_schemas(self._first))}
        before = {field: footer[field] for field in sorted(footer) if field < _ROW_GROUPS}
        # What is written ends with the byte that ends a structure, and field ids are relative to the one before.
        head = thrift_compact.written(before)[:-1] + bytes(((_ROW_GROUPS - max(before)) << 4 | LIST,))
        head += thrift_compact.list_head(self._groups)
        after = {field: footer[field] for field in sorted(footer) if field > _ROW_GROUPS}
        tail = thrift_compact.written(after, last=_ROW_GROUPS)
        size = os.fstat(groups).st_size
        length = len(head) + size + len(tail)
        if length > _LARGEST_FOOTER:
            raise DifferentSchemasError("there are too many row groups for one footer")
        _write(self._target, head)
        copy(groups, 0, size, self._target, self._beat)
        _write(self._target, tail + _TAIL.pack(length, _MAGIC))

    def _moved(self, group: Struct, by: int) -> bytes:
        for chunk in group[_COLUMNS][1]:
            _move_chunk(chunk, by)
        if _GROUP_OFFSET in group:
            _shift(group, _GROUP_OFFSET, by)
        if self._groups <= _LARGEST_ORDINAL:
            group[_ORDINAL] = I16, self._groups
        else:
            group.pop(_ORDINAL, None)
        self._groups += 1
        return thrift_compact.written(group)


def _footer_of(source: int, name: Path) -> tuple[Struct, int]:
    """A file's footer, and where its pages end."""
    size = os.fstat(source).st_size
    if size < 2 * len(_MAGIC) + _TAIL.size or os.pread(source, len(_MAGIC), 0) != _MAGIC:
        raise ValueError(f"{name} is not a Parquet file")
    length, magic = _TAIL.unpack(os.pread(source, _TAIL.size, size - _TAIL.size))
    begin = size - _TAIL.size - length
    if magic != _MAGIC or length < 0 or begin < len(_MAGIC):
        raise ValueError(f"{name} is not a Parquet file, or is cut short")
    footer = thrift_compact.read(os.pread(source, length, begin), _SHAPE)
    if not {_SCHEMA, _ROWS, _ROW_GROUPS} <= footer.keys():
        raise ValueError(f"{name} has no footer of a Parquet file")
    if _ENCRYPTION in footer:
        raise DifferentSchemasError(f"{name} is encrypted")
    return footer, begin


def _kind_of(footer: Struct) -> _Kind:
    arrow = b"".join(pair[_VALUE][1] for pair in _arrow_schemas(footer))
    return _Kind(footer[_SCHEMA][1], footer.get(_COLUMN_ORDERS, (LIST, b""))[1], arrow)


def _arrow_schemas(footer: Struct) -> list[Struct]:
    """Arrow's schema among the keys and values: all other ones tell of the rows of their own file."""
    pairs: list[Struct] = footer.get(_KEY_VALUES, (LIST, []))[1]
    return [pair for pair in pairs if pair[_KEY][1].endswith(_ARROW_SCHEMA) and _VALUE in pair]


def _move_chunk(chunk: Struct, by: int) -> None:
    if _FILE_PATH in chunk or _META_DATA not in chunk or any(field in chunk for field in _CRYPTO):
        raise DifferentSchemasError("a column lies in another file, or is encrypted")
    for field in _INDEXES:
        chunk.pop(field, None)
    _shift(chunk, _CHUNK_OFFSET, by)
    for field in _PAGE_OFFSETS:
        if field in chunk[_META_DATA][1]:
            _shift(chunk[_META_DATA][1], field, by)


def _shift(struct: Struct, field: int, by: int) -> None:
    kind, offset = struct[field]
    # 0 stands for none: no page lies on the magic bytes.
    struct[field] = kind, offset + by if offset > 0 else offset


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]

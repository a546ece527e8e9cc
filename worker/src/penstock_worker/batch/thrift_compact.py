"""Thrift's compact protocol, as far as the footers of Parquet files need it: parts of a structure are read, changed and
written again, all else stays the bytes that it was.

A structure is a dict: field id -> (kind, value). An integer's value is an int; a nested structure's, or a list's of
them, is a dict or a list of dicts where a `Shape` asks for that; any other value is its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)

Struct = dict[int, tuple[int, Any]]
Shape = Mapping[int, Any]  # field id -> the shape of the structure, or of each structure of the list, that is there

_INTEGERS = (I16, I32, I64)
_FIXED = {TRUE: 0, FALSE: 0, BYTE: 1, DOUBLE: 8, UUID: 16}
_DEEPEST = 64


def read(data: bytes, shape: Shape) -> Struct:
    """The structure that `data` is. Raises ValueError if it is none."""
    try:
        struct, at = _read_struct(data, 0, shape)
    except (IndexError, RecursionError) as error:
        raise ValueError("not a Thrift structure") from error
    if at > len(data):
        raise ValueError("the Thrift structure is cut short")
    return struct


def written(struct: Struct, last: int = 0) -> bytes:
    """The bytes of a structure; of the rest of one that follows its field `last`."""
    out = bytearray()
    _write_struct(out, struct, last)
    return bytes(out)


def list_head(count: int) -> bytes:
    """What stands before `count` structures of a list."""
    if count < 15:
        return bytes((count << 4 | STRUCT,))
    out = bytearray((0xF0 | STRUCT,))
    _write_varint(out, count)
    return bytes(out)


def _read_struct(data: bytes, at: int, shape: Shape) -> tuple[Struct, int]:
    struct: Struct = {}
    field = 0
    while True:
        head = data[at]
        at += 1
        if head == 0:
            return struct, at
        kind = head & 15
        if head >> 4:
            field += head >> 4
        else:
            number, at = _varint(data, at)
            field = number >> 1 ^ -(number & 1)
        if kind in _INTEGERS:
            number, at = _varint(data, at)
            struct[field] = kind, number >> 1 ^ -(number & 1)
            continue
        begin = at
        if field in shape and kind in (STRUCT, LIST):
            value, at = (_read_struct if kind == STRUCT else _read_structs)(data, at, shape[field])
        else:
            at = _skipped(data, at, kind, 0)
            value = data[begin:at]
        struct[field] = kind, value


def _read_structs(data: bytes, at: int, shape: Shape) -> tuple[list[Struct], int]:
    count, kind, at = _list_head(data, at)
    if kind != STRUCT and count:
        raise ValueError("a list of something else than structures")
    structs: list[Struct] = []
    for _ in range(count):
        struct, at = _read_struct(data, at, shape)
        structs.append(struct)
    return structs, at


def _list_head(data: bytes, at: int) -> tuple[int, int, int]:
    head = data[at]
    if head >> 4 < 15:
        return head >> 4, head & 15, at + 1
    count, at = _varint(data, at + 1)
    return count, head & 15, at


def _skipped(data: bytes, at: int, kind: int, depth: int) -> int:
    """Where the value of `kind` that begins at `at` has ended."""
    if kind in _INTEGERS:
        return _varint(data, at)[1]
    if kind in _FIXED:
        return at + _FIXED[kind]
    if kind == BINARY:
        length, at = _varint(data, at)
        return at + length
    if kind not in (LIST, SET, MAP, STRUCT) or depth > _DEEPEST:
        raise ValueError("what is no value, or values within values without end")
    return (_skipped_struct if kind == STRUCT else _skipped_collection)(data, at, kind, depth)


def _skipped_struct(data: bytes, at: int, _: int, depth: int) -> int:
    while True:
        head = data[at]
        at += 1
        if head == 0:
            return at
        if not head >> 4:
            at = _varint(data, at)[1]
        at = _skipped(data, at, head & 15, depth + 1)


def _skipped_collection(data: bytes, at: int, kind: int, depth: int) -> int:
    if kind == MAP:
        count, at = _varint(data, at)
        if count == 0:
            return at
        kinds = data[at] >> 4, data[at] & 15
        at += 1
    else:
        count, inner, at = _list_head(data, at)
        kinds = (inner,)
    for _ in range(count):
        for each in kinds:
            # Booleans have a byte of their own here: there is no head of a field that would tell them.
            at = at + 1 if each in (TRUE, FALSE) else _skipped(data, at, each, depth + 1)
        if at > len(data):
            raise ValueError("the list is cut short")
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    number, shift = byte & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("an integer of more than 64 bits")


def _write_struct(out: bytearray, struct: Struct, last: int = 0) -> None:
    for field, (kind, value) in struct.items():
        if 0 < field - last < 16:
            out.append(field - last << 4 | kind)
        else:
            out.append(kind)
            _write_varint(out, _zigzag(field))
        last = field
        if kind in _INTEGERS:
            _write_varint(out, _zigzag(value))
        elif isinstance(value, dict):
            _write_struct(out, value)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, list):
            out += list_head(len(value))  # pyright: ignore[reportUnknownArgumentType]
            for item in value:  # pyright: ignore[reportUnknownVariableType]
                _write_struct(out, item)  # pyright: ignore[reportUnknownArgumentType]
        else:
            out += value
    out.append(0)


def _write_varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1

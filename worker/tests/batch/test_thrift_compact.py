"""Thrift's compact protocol: what is read is written again, and nothing but ValueError comes of rubbish."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_worker.batch import thrift_compact as thrift

IDS = st.lists(st.integers(1, 2000), unique=True, max_size=4).map(sorted)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
RAW = st.sampled_from(
    [
        (thrift.BINARY, b"\x05hello"),
        (thrift.TRUE, b""),
        (thrift.FALSE, b""),
        (thrift.BYTE, b"\x07"),
        (thrift.DOUBLE, b"12345678"),
        (thrift.UUID, b"0123456789abcdef"),
        (thrift.LIST, b"\x35\x02\x04\x06"),  # three integers
        (thrift.SET, b"\x21\x01\x02"),  # two booleans
        (thrift.LIST, b"\xf5\x10" + b"\x02" * 16),
        (thrift.MAP, b"\x00"),
        (thrift.MAP, b"\x01\x85\x01a\x02"),
        (thrift.STRUCT, b"\x15\x02\x05\xd0\x0f\x04\x00"),
    ]
)


@st.composite
def structs(draw: st.DrawFn, depth: int = 1) -> thrift.Struct:
    struct: thrift.Struct = {}
    for field in draw(IDS):
        kind = draw(st.sampled_from(["integer", "raw", "struct", "list"] if depth else ["integer", "raw"]))
        if kind == "integer":
            struct[field] = draw(st.sampled_from([thrift.I16, thrift.I32, thrift.I64])), draw(INTEGERS)
        elif kind == "raw":
            struct[field] = draw(RAW)
        elif kind == "struct":
            struct[field] = thrift.STRUCT, draw(structs(depth - 1))
        else:
            struct[field] = thrift.LIST, draw(st.lists(structs(depth - 1), min_size=1, max_size=3))
    return struct


def test_lists_may_be_long() -> None:
    struct: thrift.Struct = {4: (thrift.LIST, [{1: (thrift.I32, number)} for number in range(300)])}
    assert thrift.read(thrift.written(struct), {4: {}}) == struct


@given(structs())
@settings(max_examples=40)
def test_what_was_written_is_read(struct: thrift.Struct) -> None:
    data = thrift.written(struct)
    assert thrift.read(data, shape_of(struct)) == struct
    closed = thrift.read(data, {})
    assert closed.keys() == struct.keys()
    assert thrift.written(closed) == data, "what nobody asked for stays the bytes that it was"


@given(st.binary(max_size=200))
def test_rubbish_is_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        thrift.read(data, {1: {}, 4: {1: {3: {}}}})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x1c" * 5000, id="structures without end"),
        pytest.param(b"\x18\xff\xff\xff\x0fa\x00", id="a text longer than the data"),
        pytest.param(b"\x19\xf1\xff\xff\xff\xff\x0f\x00", id="a list longer than the data"),
        pytest.param(b"\x16" + b"\xff" * 11 + b"\x01\x00", id="an integer of eighty bits"),
        pytest.param(b"\x1f\x00", id="a kind that there is not"),
    ],
)
def test_no_structure_is_refused(data: bytes) -> None:
    for shape in ({}, {1: {}}):
        with pytest.raises(ValueError):  # noqa: PT011 - which of them does not matter
            thrift.read(data, shape)


def shape_of(struct: thrift.Struct) -> dict[int, Any]:
    """Asks for all that is nested. The items of a list may be of different shapes: the union of them."""
    shape: dict[int, Any] = {}
    for field, (_, value) in struct.items():
        if isinstance(value, dict):
            shape[field] = shape_of(value)
        elif isinstance(value, list):
            shape[field] = union([shape_of(item) for item in value])
    return shape


def union(shapes: list[dict[int, Any]]) -> dict[int, Any]:
    fields = {field for shape in shapes for field in shape}
    return {field: union([shape[field] for shape in shapes if field in shape]) for field in fields}

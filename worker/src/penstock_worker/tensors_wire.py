"""Tensors of the Open Inference Protocol (V2): in a request's JSON, and as bytes behind it (the binary extension)."""

from __future__ import annotations

import math
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock_worker.kinds import is_list, is_object, kind_of
from penstock_worker.messages import BadInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BYTES = "BYTES"
DTYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    BYTES: "object",
}
DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}
SIZE = "binary_data_size"
# What numpy makes of JSON's values, by the kind of the datatype: `O` where there are nulls, or large numbers.
_FROM_JSON = {"b": "b", "i": "iuO", "u": "iuO", "f": "iufO", "O": "UO"}


class Tensor(NamedTuple):
    """A tensor. Elements of BYTES are objects: bytes, or str where they came as JSON."""

    name: str
    datatype: str
    array: Any


def fault(message: str, status: int = 400) -> BadInputError:
    """What is raised when a request is at fault: the protocol's error."""
    return BadInputError({"error": message}, status)


def tensors_in(described: object, rest: memoryview, numpy: Any) -> list[Tensor]:
    """The input tensors that a request describes, those with a size taken from `rest`; raises `BadInputError`."""
    if not is_list(described) or not described:
        raise fault(f"inputs must be a list of tensors; it is {kind_of(described)}")
    tensors: list[Tensor] = []
    start = 0
    for place, each in enumerate(described):
        name, datatype, shape = _head(place, each)
        size = _parameters(each).get(SIZE)
        if size is None:
            array = _from_json(f"input {name!r}", each.get("data"), datatype, numpy)
        else:
            piece = _piece(name, size, start, rest)
            start += len(piece)
            array = _from_bytes(f"input {name!r}", piece, datatype, shape, numpy)
        tensors.append(Tensor(name, datatype, _shaped(name, array, shape)))
    if start != len(rest):
        raise fault(f"{len(rest) - start} bytes follow the tensors' data; check {SIZE} of each input")
    names = [tensor.name for tensor in tensors]
    if len(set(names)) < len(names):
        raise fault(f"inputs has a name twice: {', '.join(names)}")
    return tensors


def packed(tensor: Tensor) -> bytes:
    """The elements as bytes: little-endian, row by row; those of BYTES each after its length."""
    if tensor.datatype != BYTES:
        array = tensor.array
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    pieces: list[bytes] = []
    for element in tensor.array.ravel():
        content = element.encode("utf-8") if isinstance(element, str) else bytes(element)
        pieces += (pack("<I", len(content)), content)
    return b"".join(pieces)


def listed(tensor: Tensor) -> list[Any]:
    """The elements row by row, as JSON has them; raises UnicodeDecodeError for bytes that are no text."""
    values = tensor.array.ravel().tolist()
    if tensor.datatype != BYTES:
        return values
    return [value.decode("utf-8") if isinstance(value, bytes) else value for value in values]


def _head(place: int, described: Any) -> tuple[str, str, tuple[int, ...]]:
    if not is_object(described):
        raise fault(f"inputs[{place}] must be an object; it is {kind_of(described)}")
    name, datatype, shape = (described.get(key) for key in ("name", "datatype", "shape"))
    if not isinstance(name, str) or not name:
        raise fault(f"inputs[{place}] has no name")
    if not isinstance(datatype, str) or datatype not in DTYPES:
        raise fault(f"input {name!r}: datatype must be one of {', '.join(DTYPES)}; got {kind_of(datatype)}")
    if not is_list(shape) or not all(type(size) is int and size >= 0 for size in shape):
        raise fault(f"input {name!r}: shape must be a list of whole numbers, none of them negative")
    return name, datatype, tuple(shape)


def _parameters(described: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = described.get("parameters")
    return parameters if is_object(parameters) else {}


def _piece(name: str, size: object, start: int, rest: memoryview) -> memoryview:
    if type(size) is not int or size < 0:
        raise fault(f"input {name!r}: {SIZE} must be a number of bytes; got {kind_of(size)}")
    piece = rest[start : start + size]
    if len(piece) < size:
        raise fault(f"input {name!r}: expected {size} bytes of data, got {len(piece)}; see {SIZE}")
    return piece


def _from_bytes(label: str, piece: memoryview, datatype: str, shape: Sequence[int], numpy: Any) -> Any:
    if datatype == BYTES:
        return _of_elements(_elements(label, piece), numpy)
    dtype = numpy.dtype(DTYPES[datatype]).newbyteorder("<")
    expected = math.prod(shape) * dtype.itemsize
    if len(piece) != expected:
        raise fault(f"{label}: expected {expected} bytes for {datatype} of shape {list(shape)}, got {len(piece)}")
    if datatype == "BOOL":
        return numpy.frombuffer(piece, dtype="uint8") != 0
    # What follows the JSON begins anywhere, and cannot be written to: some models take only arrays that are aligned
    # and their own. A copy of the memory costs less than finding out which.
    return numpy.frombuffer(piece, dtype=dtype).astype(DTYPES[datatype], copy=True)


def _elements(label: str, piece: memoryview) -> list[bytes]:
    elements: list[bytes] = []
    start, size = 0, len(piece)
    while start < size:
        end = start + 4
        if end <= size:
            (length,) = unpack_from("<I", piece, start)
            start, end = end, end + length
        if end > size:
            raise fault(f"{label}: element {len(elements)} of BYTES ends behind the data; expected {end}, got {size}")
        elements.append(bytes(piece[start:end]))
        start = end
    return elements


def _from_json(label: str, data: object, datatype: str, numpy: Any) -> Any:
    if not is_list(data):
        raise fault(f"{label}: data must be a list; got {kind_of(data)}")
    if datatype == BYTES:
        return _of_elements(_texts(label, data), numpy)
    dtype = numpy.dtype(DTYPES[datatype])
    try:
        found = numpy.array(data)
        if dtype.kind in "iu" and found.dtype.kind in "fO" and not _odd(data, (int,)):
            found = numpy.array(data, dtype=object)  # numbers beyond int64 were taken for floats
        usual = found.dtype.kind in _FROM_JSON[dtype.kind] and (found.dtype.kind != "O" or _has_numbers_alone(found))
        array = numpy.array(data, dtype=dtype) if usual or not found.size else None
    except (ValueError, TypeError, OverflowError) as error:
        raise fault(f"{label}: expected {datatype}, got data that is none: {error}") from error
    if array is None:
        raise fault(f"{label}: expected {datatype}, got {_odd_one(data, dtype.kind)}")
    # Versions of numpy differ in what they do with whole numbers that are too large.
    if dtype.kind in "iu" and not numpy.array_equal(array, found):
        raise fault(f"{label}: expected {datatype}, got numbers outside its range")
    return array


def _has_numbers_alone(array: Any) -> bool:
    return all(value is None or type(value) in (int, float) for value in array.ravel())


def _odd_one(data: list[Any], kind: str) -> str:
    """The first element that is not what it should be, in words."""
    fitting = {"b": (bool,), "f": (int, float, type(None))}.get(kind, (int,))
    odd = _odd(data, fitting)
    return kind_of(odd[0]) if odd else "lists of different lengths"


def _odd(data: list[Any], fitting: tuple[type, ...]) -> list[Any]:
    """The first element of another type, in a list; an empty one if there is none."""
    waiting = [iter(data)]
    while waiting:
        for value in waiting[-1]:
            if is_list(value):
                waiting.append(iter(value))
                break
            if type(value) not in fitting:
                return [value]
        else:
            waiting.pop()
    return []


def _texts(label: str, data: list[Any]) -> list[str]:
    texts: list[str] = []
    waiting = [iter(data)]
    while waiting:
        value = next(waiting[-1], waiting)
        if value is waiting:
            waiting.pop()
        elif is_list(value):
            waiting.append(iter(value))
        elif isinstance(value, str):
            texts.append(value)
        else:
            raise fault(f"{label}: expected BYTES, which are strings in JSON, got {kind_of(value)}")
    return texts


def _of_elements(elements: Sequence[Any], numpy: Any) -> Any:
    array = numpy.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def _shaped(name: str, array: Any, shape: tuple[int, ...]) -> Any:
    if array.size != math.prod(shape):
        raise fault(f"input {name!r}: expected {math.prod(shape)} elements for shape {list(shape)}, got {array.size}")
    return array.reshape(shape)

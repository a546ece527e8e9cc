"""The input of a model, made of the tensors of a request in the Open Inference Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker.columns import converted
from penstock_worker.faults import Faults, FaultyInputError
from penstock_worker.inputs import OTHER, Input, key_of
from penstock_worker.signature import ANY
from penstock_worker.tensors_wire import BYTES, DATATYPES, fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.inputs import Inputs
    from penstock_worker.signature import Field, Signature
    from penstock_worker.tensors_wire import Tensor

_WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_NUMBERS = ("FP16", "FP32", "FP64", *_WHOLE)
# The datatype of a column in the model's metadata, and all that are taken for it.
COLUMN_DATATYPES: dict[str, tuple[str, ...]] = {
    "double": ("FP64", *_NUMBERS),
    "float": ("FP32", *_NUMBERS),
    "long": ("INT64", *_WHOLE),
    "integer": ("INT32", *_WHOLE),
    "boolean": ("BOOL",),
    "string": (BYTES,),
    "binary": (BYTES,),
    "datetime": (BYTES,),
}


class TensorInputs:
    """Makes inputs of tensors for a model with `signature`, which `inputs` makes of JSON.

    A table is a tensor per column, of shape [rows] or [rows, 1], or, where all columns are numbers, one tensor of shape
    [rows, columns].
    """

    def __init__(self, inputs: Inputs, signature: Signature | None, numpy: Any, *, as_it_comes: bool) -> None:
        self._inputs = inputs
        self._signature = signature
        self._numpy = numpy
        self._as_it_comes = as_it_comes

    def of(self, tensors: Sequence[Tensor]) -> Input:
        """The input that `tensors` hold; raises `BadInputError` naming the tensor at fault."""
        signature = self._signature
        if self._as_it_comes or signature is None:
            return self._unsigned(tensors)
        if signature.tensors:
            return self._inputs.of_arrays(self._arrays(tensors, signature), signature)
        matrix = self._matrix(tensors, signature)
        return self._inputs.of_matrix(matrix) if matrix is not None else self._columns(tensors, signature)

    def _unsigned(self, tensors: Sequence[Tensor]) -> Input:
        arrays = {tensor.name: _texts(tensor) if tensor.datatype == BYTES else tensor.array for tensor in tensors}
        value: Any = next(iter(arrays.values())) if len(arrays) == 1 else arrays
        if self._as_it_comes:
            lists = {name: array.tolist() for name, array in arrays.items()}
            value = next(iter(lists.values())) if len(lists) == 1 else lists
        return Input(OTHER, value, max((len(tensor.array) for tensor in tensors if tensor.array.shape), default=1))

    def _arrays(self, tensors: Sequence[Tensor], signature: Signature) -> Any:
        if not signature.named:
            if len(tensors) > 1:
                raise fault(f"the model takes one input; got {', '.join(tensor.name for tensor in tensors)}")
            return self._array(tensors[0], signature.fields[0])
        by_name = _by_name(tensors, signature)
        return {str(f.name): self._array(by_name[f.name], f) for f in signature.fields if f.name in by_name}

    def _array(self, tensor: Tensor, field: Field) -> Any:
        """The tensor's array in the type and shape that the signature declares."""
        text = field.type.startswith(("<U", "str", "object"))
        datatype = BYTES if text else DATATYPES.get(field.type, field.type)
        given = tensor.datatype
        allowed = given == datatype or (given in _NUMBERS and (datatype.startswith("FP") or given in _WHOLE))
        if not allowed or (datatype in (BYTES, "BOOL") and given != datatype):
            raise fault(f"input {tensor.name!r}: expected {datatype}, got {given}")
        array = _texts(tensor) if text else tensor.array
        fits = len(array.shape) == len(field.shape) and all(
            size in (-1, array.shape[axis]) for axis, size in enumerate(field.shape)
        )
        if not fits and not (text and array.shape[-1:] == (1,) and array.shape[:-1] == (len(array),)):
            raise fault(f"input {tensor.name!r}: expected shape {list(field.shape)}, got {list(array.shape)}")
        if not fits:
            array = array.reshape(-1)
        result = array.astype("str" if field.type.startswith(("<U", "str")) else field.type, copy=False)
        if given in _WHOLE and not self._numpy.array_equal(result, array):
            raise fault(f"input {tensor.name!r}: expected {datatype}, got numbers outside its range")
        return result

    def _matrix(self, tensors: Sequence[Tensor], signature: Signature) -> Any:
        """The matrix of a table of numbers; None if there is anything about it that must be looked at."""
        matrices = self._inputs.matrices
        if matrices is None or any(tensor.datatype not in _NUMBERS for tensor in tensors):
            return None
        width = len(signature.fields)
        whole = _whole_table(tensors, signature)
        if whole is not None:
            if whole.shape[1] != width:
                expected = f"[rows, {width}] ({', '.join(signature.names)})"
                raise fault(f"input {tensors[0].name!r}: expected shape {expected}, got {list(whole.shape)}")
            return matrices.checked(_filled(tensors[0].name, whole).astype(matrices.dtype, copy=False))
        by_name, rows = _by_name(tensors, signature), _rows(tensors)
        if any(by_name[name].array.size != rows for name in matrices.names):
            return None
        matrix = self._numpy.empty((rows, width), dtype=matrices.dtype)
        for place, name in enumerate(matrices.names):
            matrix[:, place] = by_name[name].array.reshape(-1)
        return matrices.checked(matrix)

    def _columns(self, tensors: Sequence[Tensor], signature: Signature) -> Input:
        whole = _whole_table(tensors, signature)
        if whole is not None and len(signature.fields) > 1:
            tensors = _split(tensors[0], signature, whole)
        by_name, rows = _by_name(tensors, signature), _rows(tensors)
        columns: dict[Any, list[Any]] = {}
        for place, field in enumerate(signature.fields):
            name = key_of(field, place)
            if name in by_name:
                columns[name] = self._column(by_name[name], field, rows)
        return self._inputs.of_columns(columns, rows, signature)

    def _column(self, tensor: Tensor, field: Field, rows: int) -> list[Any]:
        array = tensor.array
        if len(array) != rows or (field.type != ANY and array.size != rows):
            expected = f"[{rows}] or [{rows}, 1]"
            raise fault(f"input {tensor.name!r}: expected shape {expected}, got {list(array.shape)}")
        allowed = COLUMN_DATATYPES.get(field.type)
        whole_floats = field.type in ("long", "integer") and tensor.datatype.startswith("FP")
        if allowed is not None and tensor.datatype not in allowed and not whole_floats:
            raise fault(f"input {tensor.name!r}: expected {allowed[0]}, got {tensor.datatype}")
        if field.type == ANY:
            return (_texts(tensor) if tensor.datatype == BYTES else array).tolist()
        if field.type == "binary":
            values = array.reshape(-1).tolist()
            if all(isinstance(value, bytes) for value in values):
                return values
        values = (_texts(tensor) if tensor.datatype == BYTES else array).reshape(-1).tolist()
        faults = Faults()
        found = converted(field, tensor.name, values, self._inputs.instant, faults)
        if faults.count:
            raise self._inputs.guarding.refusal(FaultyInputError(faults))
        return found


def _whole_table(tensors: Sequence[Tensor], signature: Signature) -> Any:
    """The array of one tensor that is the whole table, else None."""
    array = tensors[0].array
    if len(tensors) > 1 or len(array.shape) != 2 or (array.shape[1] == 1 and len(signature.fields) == 1):
        return None
    return None if tensors[0].name in signature.names and array.shape[1] == 1 else array


def _split(tensor: Tensor, signature: Signature, whole: Any) -> list[Tensor]:
    if whole.shape[1] != len(signature.fields):
        expected = f"[rows, {len(signature.fields)}]"
        raise fault(f"input {tensor.name!r}: expected shape {expected}, got {list(whole.shape)}")
    return [
        tensor._replace(name=str(key_of(field, place)), array=whole[:, place])
        for place, field in enumerate(signature.fields)
    ]


def _by_name(tensors: Sequence[Tensor], signature: Signature) -> dict[Any, Tensor]:
    """Tensors by the signature's keys. Raises `BadInputError` if one is missing or unknown."""
    keys = [key_of(field, place) for place, field in enumerate(signature.fields)]
    by_text = {str(key): key for key in keys}
    expected = ", ".join(by_text)
    found: dict[Any, Tensor] = {}
    for tensor in tensors:
        if tensor.name not in by_text and len(keys) > 1:
            raise fault(f"input {tensor.name!r} is not known; the model expects {expected}")
        found[by_text.get(tensor.name, keys[0])] = tensor
    missing = [str(key) for key, field in zip(keys, signature.fields) if field.required and key not in found]  # noqa: B905
    if missing:
        raise fault(f"inputs lacks {', '.join(map(repr, missing))}; the model expects {expected}")
    return found


def _rows(tensors: Sequence[Tensor]) -> int:
    for tensor in tensors:
        _filled(tensor.name, tensor.array)
    return len(tensors[0].array)


def _filled(name: str, array: Any) -> Any:
    if not array.shape or not len(array):
        raise fault(f"input {name!r}: expected at least one row, got shape {list(array.shape)}")
    return array


def _texts(tensor: Tensor) -> Any:
    """The array of a tensor of BYTES with texts for its elements."""
    array = tensor.array.copy()
    flat = array.reshape(-1)
    for place, value in enumerate(flat):
        if isinstance(value, bytes):
            try:
                flat[place] = value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise fault(f"input {tensor.name!r}: expected UTF-8, got bytes that are none: {error}") from error
    return array

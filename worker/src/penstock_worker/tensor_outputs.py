"""What a model returns, as tensors of the Open Inference Protocol: an array is one, a table one per column."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock_worker.kinds import is_list, is_object
from penstock_worker.tensor_inputs import COLUMN_DATATYPES
from penstock_worker.tensors_wire import BYTES, DATATYPES, DTYPES, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock_worker.signature import Field, Signature

UNNAMED = "output-0"


class Described(NamedTuple):
    """A tensor as the model's metadata has it; -1 for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def told(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


class TensorOutputs:
    """Makes tensors of results. `signature` is the outputs'; `example` a result for some rows, if there is one."""

    def __init__(self, signature: Signature | None, example: Any, numpy: Any) -> None:
        self._numpy = numpy
        fields = () if signature is None else signature.fields
        self._name = (fields[0].name or UNNAMED) if len(fields) == 1 else UNNAMED
        self.described = [describe(field, place, outputs=True) for place, field in enumerate(fields)]
        self._datatypes: Mapping[str, str] = {}
        if example is not None:
            # The signature says what the author's data was; this is what the model gives.
            shown = self.of(example)
            self.described = [Described(t.name, t.datatype, (-1, *t.array.shape[1:])) for t in shown]
            self._datatypes = {tensor.name: tensor.datatype for tensor in shown}

    def of(self, result: Any) -> list[Tensor]:
        """The tensors of a result; raises TypeError for what has no form as such."""
        if hasattr(result, "columns") and hasattr(result, "dtypes"):
            return [self._tensor(str(name), result.iloc[:, at]) for at, name in enumerate(result.columns)]
        if is_object(result):
            return [self._tensor(str(name), value) for name, value in result.items()]
        if hasattr(result, "to_frame"):
            return [self._tensor(self._name if result.name is None else str(result.name), result)]
        return [self._tensor(self._name, result)]

    def _tensor(self, name: str, value: Any) -> Tensor:
        for method in ("toarray", "to_numpy"):
            if hasattr(value, method):
                value = getattr(value, method)()
        array = self._array(value)
        datatype = DATATYPES.get(array.dtype.name)
        wanted = self._datatypes.get(name)
        if is_list(value) and wanted not in (None, datatype, BYTES):
            # Parts of a batch are lists, which do not tell their type.
            array, datatype = array.astype(DTYPES[str(wanted)]), wanted
        if datatype is None or datatype == BYTES:
            return Tensor(name, BYTES, self._objects(array))
        return Tensor(name, datatype, array)

    def _array(self, value: Any) -> Any:
        numpy = self._numpy
        if is_list(value) and not all(isinstance(item, (bool, int, float, list)) for item in value):
            array: Any = numpy.empty(len(value), dtype=object)
            array[:] = value
            return array
        array = numpy.asarray(value)
        if not array.shape:
            array = array.reshape(1)
        if array.dtype.kind == "O":
            # A column of tables may hold numbers as objects.
            plain = numpy.array(array.tolist()) if _are_numbers(array.ravel()) else array
            return plain if plain.dtype.kind in "biuf" else array
        return array

    def _objects(self, array: Any) -> Any:
        if array.dtype.kind == "M":
            array = self._numpy.datetime_as_string(array)
        objects: Any = self._numpy.empty(array.size, dtype=object)
        objects[:] = [_element(item) for item in array.ravel().tolist()]
        return objects.reshape(array.shape)


def describe(field: Field, place: int, *, outputs: bool = False) -> Described:
    """A field of a signature as the model's metadata has it."""
    name = field.name or (f"output-{place}" if outputs else f"input-{place}")
    if field.shape:
        text = field.type.startswith(("<U", "str", "object"))
        return Described(name, BYTES if text else DATATYPES.get(field.type, BYTES), field.shape)
    datatype = COLUMN_DATATYPES.get(field.type, (BYTES,))[0]
    return Described(name, datatype, (-1,) if outputs else (-1, 1))


def _are_numbers(items: Iterable[Any]) -> bool:
    return all(isinstance(item, (bool, int, float)) for item in items)


def _element(item: Any) -> str | bytes:
    if isinstance(item, (str, bytes)):
        return item
    return json.dumps(item, default=str)

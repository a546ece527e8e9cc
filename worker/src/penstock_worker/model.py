"""MLflow models without code: load one, turn JSON into the input that its signature wants, and its output into JSON."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock_worker import contract
from penstock_worker.columns import DTYPES, converted
from penstock_worker.failure import LoadError, failure_of
from penstock_worker.kinds import is_list, is_object
from penstock_worker.messages import BadInputError, Request
from penstock_worker.outputs import Output
from penstock_worker.payload import AZURE_KEY, RECORDS_KEY, SPLIT_KEY, Payload, parse, refusal
from penstock_worker.script import text_of
from penstock_worker.signature import Signature, signature_of
from penstock_worker.swagger import ANYTHING, document, input_schema_of
from penstock_worker.table import arrange, is_split, table_of
from penstock_worker.tensors import array_of, tensors_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock_worker.signature import Field

# Functions of MLflow that compare the input with the signature: what fails in there is the caller's fault.
_ENFORCING = ("_validate_prediction_input", "_enforce_schema", "_enforce_params_schema")
# Flavours whose models take strings, lists and objects as they come.
_AS_IT_COMES = ("mlflow.transformers", "mlflow.langchain", "mlflow.openai", "mlflow.llama_index", "mlflow.dspy")


class Model:
    """A loaded model. Calling it with a request predicts. Raises `BadInputError` for input that does not fit."""

    def __init__(self, pyfunc: Any, numpy: Any, pandas: Any) -> None:
        self._pyfunc = pyfunc
        self._numpy = numpy
        self._pandas = pandas
        self._signature = signature_of(pyfunc.metadata.get_input_schema())
        self._as_it_comes = _takes_anything(pyfunc)
        self.example: Mapping[str, Any] | None = getattr(pyfunc.metadata, "saved_input_example_info", None)

    def __call__(self, request: Request) -> Output:
        payload = _payload(request)
        result = self._predict(self._input(payload), payload.params)
        return Output(result, wrapped=payload.key != AZURE_KEY)

    def swagger(self) -> dict[str, Any]:
        """The OpenAPI document, with the input that the signature declares."""
        schema = ANYTHING if self._signature is None else input_schema_of(self._signature)
        return document(schema, {})

    def _input(self, payload: Payload) -> Any:
        if self._as_it_comes and payload.key not in (SPLIT_KEY, RECORDS_KEY):
            return payload.data
        if self._signature is None:
            return self._unsigned(payload)
        if self._signature.tensors:
            return tensors_of(payload, self._signature, self._numpy)
        return self._frame(payload, self._signature)

    def _unsigned(self, payload: Payload) -> Any:
        key, data = payload.key, payload.data
        if key in (SPLIT_KEY, RECORDS_KEY) or is_split(data) or _is_records(data):
            table = table_of(payload, None)
            names = range(len(table.columns)) if table.names is None else table.names
            frame = self._pandas.DataFrame(dict(enumerate(table.columns)), index=table.index)
            return frame.set_axis(list(names), axis=1)
        if is_object(data):
            return {name: array_of(f"{key}.{name}", value, self._numpy) for name, value in data.items()}
        return array_of(key, data, self._numpy) if is_list(data) else data

    def _frame(self, payload: Payload, signature: Signature) -> Any:
        table = table_of(payload, signature)
        columns: dict[Any, Any] = {}
        for place, values in enumerate(arrange(table, signature.fields, payload.key)):
            field = signature.fields[place]
            if values is not None:
                name = place if field.name is None else field.name
                columns[name] = self._column(field, repr(name), values)
        return self._pandas.DataFrame(columns, index=table.index)

    def _column(self, field: Field, label: str, values: list[Any]) -> Any:
        values = converted(field, label, values, self._instant)
        if field.type == "datetime":
            return self._numpy.array(values, dtype="datetime64[ns]")
        if field.type in DTYPES and None not in values:
            return self._numpy.array(values, dtype=DTYPES[field.type])
        column = self._numpy.empty(len(values), dtype=object)
        column[:] = values
        return column

    def _instant(self, text: str) -> Any:
        """The time that `text` spells, in UTC and without a zone; raises ValueError."""
        time = self._pandas.Timestamp(text)
        if time.tzinfo is not None:
            time = time.tz_convert("UTC").tz_localize(None)
        if not self._pandas.Timestamp.min <= time <= self._pandas.Timestamp.max:
            raise ValueError(text)
        return time.to_datetime64()

    def _predict(self, data: Any, params: dict[str, Any] | None) -> Any:
        try:
            return self._pyfunc.predict(data, params=params)
        except Exception as error:
            if _in_enforcement(error):
                raise _refused_by_mlflow(error) from error
            raise


def load_model(folder: Path, memory_bytes: int | None) -> Model:
    """Load the MLflow model in `folder`. Raises `LoadError`."""
    if not (folder / "MLmodel").is_file():
        raise LoadError(contract.MODEL_LOAD_FAILED, f"{folder} is not an MLflow model: it has no file MLmodel")
    try:
        numpy, pandas, mlflow = (importlib.import_module(name) for name in ("numpy", "pandas", "mlflow.pyfunc"))
    except BaseException as error:
        what = "an MLflow model needs mlflow, pandas and numpy in its environment:"
        raise failure_of(contract.MODEL_LOAD_FAILED, what, error, folder, memory_bytes) from error
    try:
        return Model(mlflow.load_model(str(folder)), numpy, pandas)
    except BaseException as error:  # the code of a model may do anything while it is loaded
        what = f"model {folder.name} cannot be loaded:"
        flavors = _flavors(folder)
        raise failure_of(contract.MODEL_LOAD_FAILED, what, error, folder, memory_bytes, flavors) from error


def _flavors(folder: Path) -> dict[str, Any]:
    """The flavors in the MLmodel file; none if it cannot be read."""
    try:
        return importlib.import_module("mlflow.models").Model.load(str(folder)).flavors
    except Exception:  # noqa: BLE001 - this is for the words of a failure that is being told already
        return {}


def _payload(request: Request) -> Payload:
    try:
        text = text_of(request)
    except BadInputError as error:
        raise refusal(error.body["message"]) from error
    return parse(text)


def _takes_anything(pyfunc: Any) -> bool:
    from_hints = getattr(pyfunc.metadata, "_is_signature_from_type_hint", None)
    flavor = str(getattr(pyfunc, "loader_module", ""))
    return flavor.startswith(_AS_IT_COMES) or bool(from_hints is not None and from_hints())


def _is_records(data: Any) -> bool:
    return is_list(data) and bool(data) and all(is_object(row) for row in data)


def _in_enforcement(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name in _ENFORCING:
            return True
        trace = trace.tb_next
    return False


def _refused_by_mlflow(error: Exception) -> BadInputError:
    # MLflow's own message repeats the whole input; the error behind it says what is wrong.
    cause = error.__cause__ or error.__context__ or error
    return refusal(f"the input does not fit the model's signature: {getattr(cause, 'message', None) or cause}")

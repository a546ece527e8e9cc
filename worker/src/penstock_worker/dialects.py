"""MLflow models and scoring scripts in the Open Inference Protocol and V1."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from penstock_worker.infer_request import HEAD_LENGTH, infer_request_of
from penstock_worker.messages import NOT_FAILED, Request, Response
from penstock_worker.open_inference import OpenInference
from penstock_worker.outputs import encode, model_answer
from penstock_worker.payload import parse
from penstock_worker.signature import signature_of
from penstock_worker.tensor_inputs import TensorInputs
from penstock_worker.tensor_outputs import TensorOutputs, describe
from penstock_worker.tensors_wire import fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock_worker.capture import Capture
    from penstock_worker.entry import Call, Entry, Reader
    from penstock_worker.model import Model
    from penstock_worker.scoring import Scorer
    from penstock_worker.variables import Variables

_JSON_LINES = b"content-type: application/json\r\n" + NOT_FAILED
_MODEL, _SCRIPT = "model", "penstock_script"


def open_inference(
    entry: Entry, model: Model | None, scorer: Scorer, variables: Variables, capture: Capture | None
) -> OpenInference:
    """These protocols for `entry`, which is `model` if it is an MLflow model."""
    dialect = ScriptDialect(entry) if model is None else ModelDialect(model)
    folder = variables.mlflow_model
    names = variables.model_names or (_MODEL if folder is None else folder.name,)
    return OpenInference(dialect, scorer, names, variables.model_version, capture)


class ModelDialect:
    """An MLflow model: tensors in and out, by its signature."""

    def __init__(self, model: Model) -> None:
        metadata, signature = model.pyfunc.metadata, model.signature
        flavor = str(getattr(model.pyfunc, "loader_module", "") or "mlflow.pyfunc")
        self.platform = flavor.replace("mlflow.", "mlflow_")
        self._model = model
        self._inputs = TensorInputs(model.inputs, signature, model.numpy, as_it_comes=model.inputs.as_it_comes)
        self._outputs = TensorOutputs(signature_of(metadata.get_output_schema()), model.proven_result, model.numpy)
        params = metadata.get_params_schema() if hasattr(metadata, "get_params_schema") else None
        self._params = frozenset(spec.name for spec in params.params) if params is not None else frozenset[str]()
        fields = () if signature is None else signature.fields
        self.inputs: Sequence[dict[str, Any]] = [describe(field, place).told() for place, field in enumerate(fields)]
        self.outputs: Sequence[dict[str, Any]] = [each.told() for each in self._outputs.described]

    def infer(self, name: str, version: str) -> Reader:
        def read(request: Request) -> Call:
            asked = infer_request_of(request, self._model.numpy)
            parsed = perf_counter()
            data = self._inputs.of(asked.inputs)
            params = self._chosen(asked.parameters)
            if params:
                data = data._replace(params=params, group=None)
            head = {"model_name": name, "model_version": version}
            return self._model.call(data, lambda result: asked.response(self._outputs.of(result), head), parsed)

        return read

    def predict(self, request: Request) -> Call:
        payload = parse(request.body)
        if payload.key not in ("instances", "inputs"):
            raise fault(f"the body must have one of the keys instances, inputs; it has {payload.key}")
        answer = _predictions if payload.key == "instances" else _outputs
        return self._model.call(self._model.inputs.of(payload), answer)

    def _chosen(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a request's parameters that the model has; the others are between client and server."""
        return {name: value for name, value in parameters.items() if name in self._params}


class ScriptDialect:
    """A scoring script: run() gets the request's JSON as it came, and what it returns is the response."""

    platform = _SCRIPT
    inputs: Sequence[dict[str, Any]] = ()
    outputs: Sequence[dict[str, Any]] = ()

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def infer(self, name: str, version: str) -> Reader:
        def read(request: Request) -> Call:
            if HEAD_LENGTH in request.headers:
                raise fault("a scoring script is served here, which takes JSON; send the tensors without binary data")
            return self._entry.read(request)

        return read

    def predict(self, request: Request) -> Call:
        return self._entry.read(request)


def _predictions(result: Any) -> Response:
    return model_answer(result, wrapped=True)


def _outputs(result: Any) -> Response:
    return Response(200, b'{"outputs":%b}' % encode(result, wrapped=False), _JSON_LINES)

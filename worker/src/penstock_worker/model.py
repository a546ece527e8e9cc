"""MLflow models without code: load one, read requests for it, and answer with its predictions."""

from __future__ import annotations

import importlib
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker import contract
from penstock_worker.entry import Call
from penstock_worker.failure import LoadError, failure_of
from penstock_worker.input_schema import ANYTHING, input_schema_of, single_input_schema_of
from penstock_worker.inputs import Input, Inputs
from penstock_worker.logs import log
from penstock_worker.messages import BadInputError, Request
from penstock_worker.outputs import model_answer
from penstock_worker.payload import AZURE_KEY, Payload, parse, refusal
from penstock_worker.predictors import Predictor
from penstock_worker.proof_rows import plain_rows, proof_rows
from penstock_worker.script_inputs import text_of
from penstock_worker.signature import signature_of
from penstock_worker.swagger import Schemas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from penstock_worker.messages import Response

# Functions of MLflow that compare the input with the signature: what fails in there is the caller's fault.
_ENFORCING = ("_validate_prediction_input", "_enforce_schema", "_enforce_params_schema")
# Flavours whose models take strings, lists and objects as they come.
_AS_IT_COMES = ("mlflow.transformers", "mlflow.langchain", "mlflow.openai", "mlflow.llama_index", "mlflow.dspy")
_ANSWERS = {wrapped: partial(model_answer, wrapped=wrapped) for wrapped in (True, False)}


class Model:
    """A loaded model. `batch_rows` is zero until `prove` has shown that it may answer rows together."""

    def __init__(self, pyfunc: Any, numpy: Any, pandas: Any) -> None:
        self.pyfunc = pyfunc
        self.numpy = numpy
        self.signature = signature_of(pyfunc.metadata.get_input_schema())
        self.inputs = Inputs(self.signature, numpy, pandas, as_it_comes=_takes_anything(pyfunc))
        self._predictor = Predictor(pyfunc, self.inputs, numpy)
        self.batch_rows = 0
        self.example: Mapping[str, Any] | None = getattr(pyfunc.metadata, "saved_input_example_info", None)

    def prove(self, body: bytes | None, *, batch_rows: int, shorter: bool) -> str:
        """Try the model on rows like those of `body`, a sample request: may it answer rows together, and which way?

        Returns what the author should know of it, if anything.
        """
        sample = self._sample(body)
        rows = proof_rows(self.inputs, sample, self.numpy)
        proof = self._predictor.prove(rows, shorter=shorter)
        if not proof.batches and sample is not None:
            proof = self._predictor.prove(plain_rows(rows), shorter=shorter)
        self.batch_rows = batch_rows if proof.batches else 0
        log.info("predictions by %s, %s", proof.way, f"{batch_rows} rows at most" if self.batch_rows else "unbatched")
        return proof.notice

    @property
    def proven_result(self) -> Any:
        """What the model returned for the rows that it was tried on together; None if that was not done."""
        return self._predictor.proven_result

    def read(self, request: Request) -> Call:
        payload = _payload(request, strict=self.inputs.guarding.policy.strict)
        parsed = perf_counter()
        return self.call(self.inputs.of(payload), _ANSWERS[payload.key != AZURE_KEY], parsed)

    def call(self, data: Input, answer: Callable[[Any], Response], parsed: float = 0.0) -> Call:
        """The call that predicts for `data`; whatever the protocol, predictions are made and batched the same way."""
        guarding = self.inputs.guarding
        if guarding.guards:
            answer = guarding.admit(partial(self.inputs.judge, data), answer)
        return Call(data, answer, data.rows, data.group, parsed)

    def run(self, call: Call) -> Any:
        try:
            return self._predictor.predict(call.input)
        except Exception as error:
            if _in_enforcement(error):
                raise _refused_by_mlflow(error) from error
            raise

    def run_batch(self, calls: Sequence[Call]) -> Sequence[Any]:
        result = self._predictor.predict(self.inputs.joined([call.input for call in calls]))
        return self._predictor.split(result, [call.rows for call in calls])

    def schemas(self) -> Schemas:
        """Of the input that the signature declares."""
        if self.signature is None:
            return Schemas(ANYTHING, {})
        return Schemas(input_schema_of(self.signature), {}, input_in_version_2=single_input_schema_of(self.signature))

    def _sample(self, body: bytes | None) -> Input | None:
        if body is None:
            return None
        try:
            return self.inputs.of(parse(body))
        except BadInputError:
            return None  # the trial says so


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


def _payload(request: Request, *, strict: bool) -> Payload:
    body = request.body if request.method != "GET" else text_of(request).encode("utf-8")
    payload = parse(body)
    if strict and payload.key != AZURE_KEY:
        raise BadInputError({"message": f"A value is not provided for the {AZURE_KEY!r} parameter."})
    return payload


def _takes_anything(pyfunc: Any) -> bool:
    from_hints = getattr(pyfunc.metadata, "_is_signature_from_type_hint", None)
    flavor = str(getattr(pyfunc, "loader_module", ""))
    return flavor.startswith(_AS_IT_COMES) or bool(from_hints is not None and from_hints())


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

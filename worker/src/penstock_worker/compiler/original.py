"""The model that is to be compiled, as MLflow loads it, and what its files say of it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock_worker.compiler.attempts import Subject
from penstock_worker.compiler.contract import CONVERT
from penstock_worker.compiler.report import CompileError
from penstock_worker.signature import Field, Signature, signature_of
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAVORS = ("sklearn", "xgboost", "lightgbm")
_NUMBERS = ("double", "float", "long", "integer", "boolean")
_FUNCTIONS = ("predict", "predict_proba")


@dataclass(frozen=True)
class Original:
    """`raw` is the estimator or booster itself, `pyfunc` what MLflow makes of it."""

    folder: Path
    name: str
    pyfunc: Any
    raw: Any
    mlmodel: dict[str, Any]
    signature: Signature
    subject: Subject
    function: str  # predict or predict_proba

    @property
    def columns(self) -> list[str] | None:
        """Names of the columns in the order of the signature; None where they have none."""
        return self.signature.names if not self.signature.tensors and self.signature.named else None

    @property
    def width(self) -> int:
        return self.signature.fields[0].shape[1] if self.signature.tensors else len(self.signature.fields)

    @property
    def strings(self) -> list[str]:
        return [str(field.name) for field in self.signature.fields if field.type == "string"]

    @property
    def labels(self) -> bool:
        """True if it predicts classes."""
        return self.function == "predict" and hasattr(self.raw, "classes_")


def load(folder: Path, name: str) -> Original:
    """Load the model twice: for MLflow's way to predict, and for what is to be converted. Raises `CompileError`."""
    yaml: Any = importlib.import_module("yaml")
    mlmodel: dict[str, Any] = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    flavor = next((known for known in _FLAVORS if known in mlmodel["flavors"]), "")
    if not flavor:
        raise _refused(f"model {name} has none of the flavors {', '.join(_FLAVORS)}")
    function = str(mlmodel["flavors"]["python_function"].get("predict_fn", "predict"))
    if function not in _FUNCTIONS:
        raise _refused(f"model {name} answers with {function}: only {' and '.join(_FUNCTIONS)} are compiled")
    try:
        pyfunc = importlib.import_module("mlflow.pyfunc").load_model(str(folder))
        raw = importlib.import_module(f"mlflow.{flavor}").load_model(str(folder))
    except Exception as error:
        raise CompileError(CONVERT, "CannotLoad", f"model {name} cannot be loaded: {summary(error)}") from error
    signature = _signature(pyfunc, name)
    numeric = not any(field.type == "string" for field in signature.fields)
    subject = Subject(flavor, type(raw).__name__, tuple(dict.fromkeys(_parts(raw))), numeric)
    return Original(folder, name, pyfunc, raw, mlmodel, signature, subject, function)


def nested(raw: Any) -> Iterator[Any]:
    """The estimators in an estimator, as far as its parameters tell."""
    if hasattr(raw, "get_params"):
        for value in raw.get_params(deep=True).values():
            if hasattr(value, "get_params"):
                yield value


def _parts(raw: Any) -> Iterator[str]:
    for part in nested(raw):
        yield type(part).__name__


def _signature(pyfunc: Any, name: str) -> Signature:
    signature = signature_of(pyfunc.metadata.get_input_schema())
    if signature is None:
        raise _refused(f"model {name} has no signature, so nobody knows its columns: log it with one")
    if signature.tensors:
        only = signature.fields[0]
        if len(signature.fields) > 1 or len(only.shape) != 2 or only.shape[1] < 1 or only.type[0] not in "fiu":
            raise _refused(f"model {name} takes tensors other than one matrix of numbers, which is not compiled")
        return signature
    odd = [field for field in signature.fields if not _takes(field)]
    if odd:
        told = ", ".join(f"{field.name!r} ({field.type})" for field in odd[:10])
        raise _refused(f"model {name}: these columns are neither numbers nor strings: {told}")
    return signature


def _takes(field: Field) -> bool:
    return field.type in _NUMBERS or (field.type == "string" and field.name is not None)


def _refused(message: str) -> CompileError:
    return CompileError(CONVERT, "NotSupported", message)

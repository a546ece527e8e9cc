"""A model as batch jobs use it: its signature, and a function that predicts for tables in the shortest proven way."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.batch.native_model import Recipe, load_native, recipe_of
from penstock_worker.batch.native_verdict import (
    NativeVerdict,
    expressible,
    key_of,
    model_bytes,
    read_verdict,
    verdict_path,
    write_verdict,
)
from penstock_worker.equality import equal_results
from penstock_worker.logs import log
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.model import Model
    from penstock_worker.signature import Signature

_PROOF_ROWS = 512
_MOST_PROOFS = 3  # tries, where rows of the data made the model fail
_LARGEST_PROVEN = 256 * 1024 * 1024  # bytes of a model that may be loaded once more for the sake of the next start


@dataclass(frozen=True)
class ModelPlace:
    """Where the model lies. `app_root` is where what is found out about it is kept. `shorter`: not by pyfunc alone."""

    folder: Path
    app_root: Path
    memory_bytes: int | None
    shorter: bool = True


class BatchModel:
    """`predict` takes a DataFrame, or whatever else the model takes, and raises whatever the model raises.

    `way` is `native`, `frame` (the flavour's own function) or `pyfunc`. `proving`: a shorter one may still be found.
    """

    def __init__(self, signature: Signature | None, predict: Callable[[Any], Any], way: str) -> None:
        self.signature = signature
        self.predict = predict
        self.way = way
        self.proving: Proving | None = None


def load_batch_model(place: ModelPlace) -> BatchModel:
    """Load the model without MLflow if an earlier process has shown that this may be done. Raises `LoadError`."""
    if place.shorter and (place.folder / "MLmodel").is_file():
        verdict = read_verdict(verdict_path(place.app_root), key_of(place.folder))
        if verdict is not None:
            try:
                return BatchModel(verdict.signature, load_native(place.folder, verdict.recipe), "native")
            except Exception as error:  # noqa: BLE001 - MLflow is to say what is wrong with the model
                log.info("the model is loaded by MLflow: %s", summary(error))
    from penstock_worker.model import load_model

    model = load_model(place.folder, place.memory_bytes)
    found = BatchModel(model.signature, model.pyfunc.predict, "pyfunc")
    if place.shorter and (found.signature is None or not found.signature.tensors) and not _has_params(model.pyfunc):
        found.predict = found.proving = Proving(found, model, place)
    return found


def _has_params(pyfunc: Any) -> bool:
    """True if pyfunc gives the model more than the table."""
    return getattr(pyfunc.metadata, "get_params_schema", lambda: None)() is not None


class Proving:
    """Predicts by pyfunc, until rows of the data have shown which shorter ways give the same."""

    def __init__(self, model: BatchModel, loaded: Model, place: ModelPlace) -> None:
        self.loaded = loaded
        self.folder = place.folder
        self._model = model
        self._pyfunc = loaded.pyfunc
        self._place = place
        self._proofs = 0

    @property
    def recipe(self) -> Recipe | None:
        """How the model may be loaded without MLflow, which is still to be shown; None: it may not be."""
        if not expressible(self._model.signature) or model_bytes(self.folder) > _LARGEST_PROVEN:
            return None
        return recipe_of(getattr(self._pyfunc.metadata, "flavors", None))

    def __call__(self, table: Any) -> Any:
        if hasattr(table, "head") and len(table):
            self.prove(table.head(_PROOF_ROWS))
        return self._pyfunc.predict(table)

    def prove(self, rows: Any) -> None:
        """Find out on `rows`, a DataFrame. Raises what the model raises."""
        self._proofs += 1
        if self._proofs >= _MOST_PROOFS:
            self._model.predict = self._pyfunc.predict
        expected = [(part, self._pyfunc.predict(part.copy())) for part in (rows, rows.head(1))]
        own = getattr(self._pyfunc, "_predict_fn", None)
        if own is None or not _gives(own, expected):
            self._model.predict = self._pyfunc.predict
            return
        self._model.predict, self._model.way = own, "frame"
        log.info("predictions by the flavour's own function")
        self._prove_native(expected)

    def _prove_native(self, expected: list[tuple[Any, Any]]) -> None:
        """For the next start."""
        recipe = self.recipe
        if recipe is None:
            return
        try:
            native = load_native(self.folder, recipe)
        except Exception as error:  # noqa: BLE001 - then MLflow loads it the next time, too
            log.info("the model cannot be loaded without MLflow: %s", summary(error))
            return
        if _gives(native, expected):
            verdict = NativeVerdict(recipe, self._model.signature)
            write_verdict(verdict_path(self._place.app_root), key_of(self.folder), verdict)
            log.info("the next process loads the model without MLflow")


def _gives(way: Callable[[Any], Any], expected: list[tuple[Any, Any]]) -> bool:
    numpy = importlib.import_module("numpy")
    try:
        return all(equal_results(way(part.copy()), result, numpy) for part, result in expected)
    except Exception as error:  # noqa: BLE001 - a way that is not open to this model
        log.info("a shorter way to predictions is not taken: %s", summary(error))
        return False

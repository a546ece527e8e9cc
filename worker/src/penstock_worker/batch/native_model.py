"""MLflow models of some flavours loaded without MLflow, whose import takes as long as all the rest of a start.

A `Recipe` says how. That what comes of it gives what MLflow's pyfunc gives is shown by others, see `native_verdict.py`.
"""

from __future__ import annotations

import importlib
import os
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.kinds import is_list, is_object

if TYPE_CHECKING:
    from pathlib import Path

_NO_PICKLES = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"  # where it is off, MLflow is to refuse the model
_CLASSES = {"lightgbm": "lightgbm.basic.Booster", "xgboost": "xgboost.core.Booster"}
_PICKLES = ("pickle", "cloudpickle")


@dataclass(frozen=True)
class Recipe:
    """`flavor` is sklearn, lightgbm or xgboost, `file` lies in the model's folder and holds a model of class `kind`.

    `form`: `pickle`, `cloudpickle`, `skops`, or `own` for the library's. `function` is the method that predicts.
    """

    flavor: str
    file: str
    form: str
    kind: str
    function: str
    trusted: tuple[str, ...] = ()


def recipe_of(flavors: Any) -> Recipe | None:
    """How to load a model with these flavors of its MLmodel file; None where that is not known well enough."""
    python = flavors.get("python_function") if is_object(flavors) else None
    if not is_object(python) or not is_object(flavors):
        return None
    flavor = str(python.get("loader_module", "")).rpartition("mlflow.")[2]
    own: Any = flavors.get(flavor)
    if flavor not in ("sklearn", *_CLASSES) or not is_object(own):
        return None
    if own.get("code") or python.get("code"):  # files of the author's, which MLflow puts on the import path
        return None
    function = str(python.get("predict_fn") or "predict")
    if flavor == "sklearn":
        file, form, kind = own.get("pickled_model"), own.get("serialization_format"), ""
    else:
        file, kind = own.get("data"), str(own.get("model_class") or _CLASSES[flavor])
        pickled = flavor == "lightgbm" and kind != _CLASSES[flavor]
        form = (own.get("serialization_format") or "cloudpickle") if pickled else "own"
    trusted: Any = own.get("skops_trusted_types") or []
    if not isinstance(file, str) or form not in (*_PICKLES, "skops", "own") or not is_list(trusted):
        return None
    return Recipe(flavor, file, str(form), kind, function, tuple(map(str, trusted)))


def load_native(folder: Path, recipe: Recipe) -> Callable[[Any], Any]:
    """The function of a table that predicts. Raises whatever loading raises."""
    if os.environ.get(_NO_PICKLES, "true").lower() in ("false", "0"):
        raise PermissionError(f"{_NO_PICKLES} is off")
    path = str(folder / recipe.file)
    if recipe.form == "own":
        return _own(path, recipe)
    return getattr(_unpickled(path, recipe), recipe.function)


def _unpickled(path: str, recipe: Recipe) -> Any:
    if recipe.form == "skops":
        return importlib.import_module("skops.io").load(path, trusted=list(recipe.trusted))
    loads: Any = pickle if recipe.form == "pickle" else importlib.import_module("cloudpickle")
    with open(path, "rb") as file:
        return loads.load(file)  # the code of the deployment's own model, as MLflow would run it


def _own(path: str, recipe: Recipe) -> Callable[[Any], Any]:
    module, _, name = recipe.kind.rpartition(".")
    if recipe.flavor == "lightgbm":
        booster = importlib.import_module("lightgbm").Booster(model_file=path)
        return getattr(booster, recipe.function)
    model = getattr(importlib.import_module(module), name)()
    model.load_model(path)
    predict = getattr(model, recipe.function)
    xgboost = importlib.import_module("xgboost")
    if isinstance(model, xgboost.Booster):
        return lambda table: predict(xgboost.DMatrix(table), validate_features=True)
    return lambda table: predict(table, validate_features=True)

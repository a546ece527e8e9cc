"""Trains the two models of the benchmark, with fixed seeds, in their environment: `train.py FOLDER`.

A: impute, scale and one-hot with a logistic regression; B: ordinal codes with 100 trees of 31 leaves by LightGBM. Both
as MLflow saves them, with a signature and `predict_proba` as what `predict` of MLflow calls.
"""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import lightgbm
import mlflow.sklearn
import pandas as pd
from make_data import FEATURES, FLOATS, INTEGERS, WORDS, groups, labels
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

PACKAGES = ("mlflow", "scikit-learn", "lightgbm", "numpy", "pandas", "pyarrow", "cloudpickle")
ROWS = 100_000
NUMBERS = [*FLOATS, *INTEGERS]


def logistic_regression() -> Pipeline:
    prepared = [
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        ("words", OneHotEncoder(handle_unknown="ignore"), list(WORDS)),
    ]
    return make_pipeline(ColumnTransformer(prepared), LogisticRegression(max_iter=300))


def trees() -> Pipeline:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepared = ColumnTransformer([("words", codes, list(WORDS))], remainder="passthrough")
    settings = {"n_estimators": 100, "num_leaves": 31, "random_state": 0, "n_jobs": 1, "verbose": -1}
    return make_pipeline(prepared, lightgbm.LGBMClassifier(**settings))


def main() -> None:
    folder = Path(sys.argv[1])
    table = next(groups(ROWS))
    frame = table.select(FEATURES).to_pandas().astype(dict.fromkeys(WORDS, object))
    for name, model in (("A", logistic_regression()), ("B", trees())):
        model.fit(frame, labels(table))
        _save(model, frame.head(1000), folder / name)
        print(f"      model {name} trained", flush=True)


def _save(model: Pipeline, asked: pd.DataFrame, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(asked, model.predict_proba(asked)),
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        serialization_format="cloudpickle",
        pyfunc_predict_fn="predict_proba",
    )


if __name__ == "__main__":
    main()

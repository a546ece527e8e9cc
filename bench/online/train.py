"""Trains the three models of the benchmark, with fixed seeds, into a folder each.

A: a scaler and a logistic regression on 10 floats; B: gradient-boosted trees on 30; C: a forest of 100 trees on 30.
`joblib/model.joblib` was fitted on an array and `mlflow/` on a frame, from the same data and seed: each server gets the
model in the form in which it need not complain about names of columns.
"""

import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import joblib
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PACKAGES = ("mlflow-skinny", "scikit-learn", "numpy", "pandas", "cloudpickle")
ROWS, ASKED, COMPARED = 5000, 64, 2000
MODELS = {
    "A": (10, lambda: make_pipeline(StandardScaler(), LogisticRegression())),
    "B": (30, lambda: HistGradientBoostingClassifier(random_state=0, early_stopping=False)),
    "C": (30, lambda: RandomForestClassifier(n_estimators=100, max_depth=10, random_state=0, n_jobs=1)),
}


def main() -> None:
    output = Path(sys.argv[1])
    for name in sys.argv[2:]:
        columns, make = MODELS[name]
        _train(output / name, columns, make)
        print(f"      model {name} trained", flush=True)


def _train(folder: Path, columns: int, make) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "joblib").mkdir(parents=True)
    values, labels = make_classification(ROWS + COMPARED, columns, n_informative=8, class_sep=0.7, random_state=7)
    names = [f"f{number}" for number in range(columns)]
    frame = pd.DataFrame(values.round(6), columns=names)
    fitted = make().fit(frame.to_numpy()[:ROWS], labels[:ROWS])
    joblib.dump(fitted, folder / "joblib" / "model.joblib")

    named = make().fit(frame[:ROWS], labels[:ROWS])
    asked = frame[ROWS : ROWS + ASKED]
    mlflow.sklearn.save_model(
        named,
        folder / "mlflow",
        signature=infer_signature(asked, named.predict(asked)),
        input_example=asked.head(2),
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        serialization_format="cloudpickle",
    )
    frame[ROWS:].to_csv(folder / "data.csv", index=False)
    rows = {"columns": names, "rows": asked.to_numpy().tolist(), "labels": fitted.predict(asked.to_numpy()).tolist()}
    (folder / "rows.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main()

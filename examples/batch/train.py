"""Trains the model of this example on scikit-learn's bundled breast cancer data: 30 measurements of cell nuclei.

Writes it twice, to `model` in MLflow's format and to `models/biopsies.joblib` for the script. The half of the data that
it has not seen becomes the files in `data`, one of which has a cell that is no number, as real files do; `test.json`
holds what the model says here about each case.
"""

import argparse
import csv
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PACKAGES = ("mlflow-skinny", "scikit-learn", "pandas", "cloudpickle")
CLINICS = ("2026-04/north", "2026-04/south", "2026-05/north", "2026-05/south")
CASE, ILLEGIBLE = "case", "?"


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the model, and write the data that is to be scored.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")
    parser.add_argument("--times", type=int, default=1, help="how often the cases of each clinic are repeated")
    arguments = parser.parse_args()
    output: Path = arguments.output

    cancer = load_breast_cancer(as_frame=True)
    labels = cancer.target.map(dict(enumerate(map(str, cancer.target_names))))
    rows, test_rows, labels, test_labels = train_test_split(
        cancer.data, labels, test_size=0.5, random_state=0, stratify=labels
    )
    # Without the names of the columns: the script gives it plain numbers.
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows.to_numpy(), labels)

    (output / "models").mkdir(parents=True, exist_ok=True)
    joblib.dump(model, output / "models" / "biopsies.joblib")
    shutil.rmtree(output / "model", ignore_errors=True)
    mlflow.sklearn.save_model(
        model,
        output / "model",
        signature=infer_signature(test_rows, model.predict(test_rows.to_numpy())),
        input_example=test_rows.head(2),
        # MLflow's own list would ask for all of MLflow; scoring needs only the part of it that reads models.
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        serialization_format="cloudpickle",
    )
    write_data(output / "data", test_rows, arguments.times)
    answers = dict(zip(map(int, test_rows.index), model.predict(test_rows.to_numpy()).tolist(), strict=True))
    (output / "test.json").write_text(json.dumps({"predictions": answers}))
    accuracy = model.score(test_rows.to_numpy(), test_labels)
    print(f"accuracy {accuracy:.4f}; {arguments.times * len(test_rows):,} cases to score in {output / 'data'}")


def write_data(folder: Path, rows: Any, times: int) -> None:
    """A file for each clinic and month, all columns in each, and the number of the case."""
    shutil.rmtree(folder, ignore_errors=True)
    share = -(-len(rows) // len(CLINICS))
    for number, clinic in enumerate(CLINICS):
        cases = [[int(case), *row] for case, row in zip(rows.index, rows.to_numpy().tolist(), strict=True)]
        cases = cases[number * share : (number + 1) * share] * times
        if number == len(CLINICS) - 1:
            cases[1] = [*cases[1][:5], ILLEGIBLE, *cases[1][6:]]
        path = folder / f"{clinic}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([[CASE, *rows.columns], *cases])


if __name__ == "__main__":
    main()

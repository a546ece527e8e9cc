"""Logs a scikit-learn model in MLflow's format, with its signature, to the folder `model`.

Data: scikit-learn's bundled diabetes data, ten measurements of a patient and the progress of the disease a year later.
"""

import argparse
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

PACKAGES = ("mlflow-skinny", "scikit-learn", "pandas", "cloudpickle")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the MLflow model.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")
    output = parser.parse_args().output

    data = load_diabetes(as_frame=True)
    rows, test_rows, labels, test_labels = train_test_split(data.data, data.target, test_size=0.25, random_state=0)
    model = Ridge(alpha=0.1).fit(rows, labels)
    predictions = model.predict(test_rows)

    shutil.rmtree(output / "model", ignore_errors=True)
    mlflow.sklearn.save_model(
        model,
        output / "model",
        signature=infer_signature(test_rows, predictions),
        input_example=test_rows.head(2),  # what a deployment predicts for before it gets traffic
        # MLflow's own list would ask for all of MLflow; serving needs only the part of it that reads models.
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        serialization_format="cloudpickle",
    )
    test = {"data": test_rows.to_dict("split"), "predictions": predictions.tolist()}
    (output / "test.json").write_text(json.dumps(test))
    print(f"Ridge: R2 {model.score(test_rows, test_labels):.3f}, {output / 'model'}")


if __name__ == "__main__":
    main()

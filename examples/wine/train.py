"""Trains the two models of this example on scikit-learn's bundled wine data: 13 measurements, 3 cultivars.

Writes models/blue/wine.joblib, models/green/wine.joblib, train.csv with the half of the data that
they were trained on, and test.json: the half that neither has seen, with the answers that each gives in this process.
"""

import argparse
import csv
import json
from pathlib import Path

import joblib
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the wine models.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")
    output = parser.parse_args().output

    wine = load_wine()
    rows, test_rows, labels, test_labels = train_test_split(
        wine.data, wine.target, test_size=0.5, random_state=4, stratify=wine.target
    )
    with (output / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*wine.feature_names, "cultivar"])
        writer.writerows([*row, label] for row, label in zip(rows.tolist(), labels.tolist(), strict=True))
    models = {
        "blue": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "green": RandomForestClassifier(n_estimators=50, random_state=0),
    }
    predictions: dict[str, list[int]] = {}
    for name, model in models.items():
        model.fit(rows, labels)
        file = output / "models" / name / "wine.joblib"
        file.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(model, file)
        predictions[name] = model.predict(test_rows).tolist()
        print(f"{name}: {type(model).__name__}, accuracy {model.score(test_rows, test_labels):.4f}, {file}")
    test = {"rows": test_rows.tolist(), "labels": test_labels.tolist(), "predictions": predictions}
    (output / "test.json").write_text(json.dumps(test))


if __name__ == "__main__":
    main()

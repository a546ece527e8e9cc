"""Batch script: `init` loads the model once in each worker, `run` scores the files of a mini-batch."""

import csv
import glob
import logging
import os

import joblib


def init():
    global model
    # AZUREML_MODEL_DIR is the folder that holds what `model.path` of the deployment names.
    model = joblib.load(glob.glob(os.path.join(os.environ["AZUREML_MODEL_DIR"], "*.joblib"))[0])


def run(mini_batch):
    """`mini_batch` is a list of paths. Returns a line `file,case,prediction` for each row that can be read."""
    results = []
    for path in mini_batch:
        name = os.path.basename(path)
        cases, rows = [], []
        with open(path, newline="") as file:
            for case, *measurements in list(csv.reader(file))[1:]:
                try:
                    rows.append([float(measurement) for measurement in measurements])
                    cases.append(case)
                except ValueError as error:
                    logging.warning("%s, case %s is left out: %s", name, case, error)
        predictions = model.predict(rows) if rows else []
        results += [f"{name},{case},{prediction}" for case, prediction in zip(cases, predictions, strict=True)]
    return results

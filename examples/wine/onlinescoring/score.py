"""Scoring script: `init` loads the model once per process, `run` answers a request."""

import json
import logging
import os

import joblib


def init():
    global model
    # AZUREML_MODEL_DIR is the folder that holds what `model.path` of the deployment names.
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "wine.joblib"))
    logging.warning("model loaded")


def run(raw_data):
    """`raw_data` is the request's body: {"data": [[13 numbers], ...]}. Returns the number of the cultivar per row."""
    rows = json.loads(raw_data)["data"]
    return {"predictions": model.predict(rows).tolist()}

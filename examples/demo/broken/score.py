"""A release that looks good until it is used: it loads, and every request fails."""

import json
import os

import joblib


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "wine.joblib"))


def run(raw_data):
    rows = json.loads(raw_data)["rows"]  # clients send "data"
    return {"predictions": model.predict(rows).tolist()}

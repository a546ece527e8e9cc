"""The scoring script that Azure's server and Penstock run alike."""

import json
import os
from pathlib import Path

import joblib
import numpy as np


def init():
    global model
    model = joblib.load(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.joblib")))


def run(raw_data):
    rows = np.asarray(json.loads(raw_data)["data"])
    return {"predictions": model.predict(rows).tolist()}

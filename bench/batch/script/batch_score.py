"""A batch script as users write them: `init()` once in a process, `run()` for each mini-batch of files."""

import os
import pickle
from pathlib import Path

import pandas as pd

SLICE_ROWS = 16_384
model = None


def init():
    global model
    model = pickle.loads((_model_folder() / "model.pkl").read_bytes())


def run(mini_batch):
    return pd.concat([_scored(pd.read_parquet(path)) for path in mini_batch])


def _scored(rows):
    slices = [rows.iloc[start : start + SLICE_ROWS] for start in range(0, len(rows), SLICE_ROWS)]
    predicted = [model.predict_proba(each[model.feature_names_in_])[:, 1] for each in slices]
    return pd.DataFrame({"id": rows["id"], "prediction": [value for each in predicted for value in each]})


def _model_folder():
    """The folder of the model, or one that holds it, as platforms differ in that."""
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    return folder if (folder / "model.pkl").exists() else next(folder.rglob("model.pkl")).parent

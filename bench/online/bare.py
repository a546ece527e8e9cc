"""A process that only holds the model, for comparison with an instance. Arguments: `joblib` or `mlflow`, a path, a row.

Prints seconds for import, load and the first prediction, and its own memory in MB.
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    kind, path, question = sys.argv[1:]
    began = time.perf_counter()
    if kind == "joblib":
        import joblib
        import numpy as np
        import sklearn.ensemble
        import sklearn.linear_model
        import sklearn.pipeline  # noqa: F401 - what the models are made of, so that loading is only loading

        imported = time.perf_counter()
        model, rows = joblib.load(path), np.asarray(json.loads(question)["data"])
    else:
        import mlflow.pyfunc
        import pandas as pd

        imported = time.perf_counter()
        model = mlflow.pyfunc.load_model(path)
        rows = pd.DataFrame(**json.loads(question)["input_data"])
    loaded = time.perf_counter()
    model.predict(rows)
    predicted = time.perf_counter()
    seconds = {"import": imported - began, "load": loaded - imported, "first": predicted - loaded}
    print(json.dumps({**seconds, **_memory()}), flush=True)


def _memory() -> dict[str, float]:
    rolled = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    return {name.lower(): int(rolled[name].split()[0]) * 1024 / 1e6 for name in ("Rss", "Pss")}


if __name__ == "__main__":
    main()

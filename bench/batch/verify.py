"""What is in an output, in the environment of the models: `verify.py FOLDER` prints rows, sum of ids, mean prediction.

Takes folders with Parquet, with text of id and prediction without a header, and with the JSON of `mlflow models
predict`, which has no ids.
"""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from pyarrow import csv

Chunk = tuple[np.ndarray | None, np.ndarray]


def main() -> None:
    rows, ids, predictions = 0, 0, []
    for numbers, predicted in chunks(Path(sys.argv[1])):
        rows += len(predicted)
        ids += 0 if numbers is None else int(numbers.sum())
        predictions.append(float(predicted.sum()))
    print(json.dumps({"rows": rows, "ids": ids, "mean": math.fsum(predictions) / max(1, rows)}))


def chunks(folder: Path) -> Iterator[Chunk]:
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["id", "prediction_1"])
                yield table["id"].to_numpy(), table["prediction_1"].to_numpy()
        elif path.suffix == ".csv":
            names = csv.ReadOptions(column_names=["id", "prediction"])
            table = csv.read_csv(path, read_options=names)
            yield table["id"].to_numpy(), table["prediction"].to_numpy()
        elif path.suffix == ".json":
            yield None, np.array(json.loads(path.read_text())["predictions"])[:, 1]


if __name__ == "__main__":
    main()

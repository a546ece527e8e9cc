"""What peers have in common: the model by pyfunc, loaded once in a process, and its predictions beside the input."""

import functools
from pathlib import Path
from typing import Any

from side import mark

BATCH_ROWS = 65_536
PREDICTIONS = ("prediction_0", "prediction_1")


@functools.cache
def loaded(folder: Path, marks: Path) -> Any:
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(folder))
    mark(marks)
    return model


def scored(model: Any, frame: Any) -> Any:
    predicted = model.predict(frame)
    for number, name in enumerate(PREDICTIONS):
        frame[name] = predicted[:, number]
    return frame

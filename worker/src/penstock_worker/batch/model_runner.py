"""Mini-batches of an MLflow model without code: from rows of files to parts."""

from __future__ import annotations

import gc
import importlib
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker import contract
from penstock_worker.batch.arrow_columns import ArrowColumns
from penstock_worker.batch.batch_model import ModelPlace, load_batch_model
from penstock_worker.batch.column_names import ColumnNames
from penstock_worker.batch.failing import TaskFailedError
from penstock_worker.batch.frames import Frames
from penstock_worker.batch.freed_memory import keep_freed_memory
from penstock_worker.batch.mini_batch import MiniBatch, Tools
from penstock_worker.batch.output_rows import ALL, OutputRows
from penstock_worker.batch.part_files import PartFiles
from penstock_worker.batch.parts import Parts
from penstock_worker.batch.predictions import Predictions, ResultError
from penstock_worker.batch.row_files import OtherColumnsError
from penstock_worker.batch.runner import Loaded
from penstock_worker.batch_contract import RUN_FAILED
from penstock_worker.failure import failure_of
from penstock_worker.instants import instant

if TYPE_CHECKING:
    from penstock_worker.batch.variables import BatchVariables
    from penstock_worker.batch_contract import Order, Result, Task


def load_model_runner(variables: BatchVariables, order: Order) -> Loaded:
    """Load the model that `variables` name. Raises `LoadError`."""
    folder = variables.mlflow_model or variables.app_root
    place = ModelPlace(folder, variables.app_root, variables.memory_bytes, variables.fast_path)
    keep_freed_memory()
    # What is made while libraries are imported stays, but for half a megabyte of garbage; to look for that takes a
    # fifth of the start, and again with each later look.
    gc.disable()
    try:
        arrow, compute, numpy, pandas = _libraries(place)
        arrow.set_cpu_count(1)  # there is a worker for each core
        model = load_batch_model(place)
    finally:
        gc.freeze()
        gc.enable()
    tools = Tools(
        arrow,
        compute,
        numpy,
        model,
        ArrowColumns(arrow, compute, partial(instant, pandas=pandas)),
        Frames(arrow, numpy, pandas),
        Predictions(arrow, numpy),
        OutputRows(order, arrow, compute),
        order.slice_rows,
    )
    files = PartFiles(variables.folder)
    runner = ModelRunner(tools, files, ColumnNames(variables.folder, grow=ALL in order.keep_columns), order)
    return Loaded(runner, f"predict() of model {folder.name}", files, rehearse=runner.rehearse)


class ModelRunner:
    """A `Runner` (see `runner.py`)."""

    def __init__(self, tools: Tools, files: PartFiles, names: ColumnNames, order: Order) -> None:
        self._tools = tools
        self._files = files
        self._names = names
        self._order = order

    def score(self, task: Task, beat: Callable[[], None]) -> Result:
        if task.limit >= 0:
            self._run(task, beat)  # what a dry run foretells is not to count what only the first rows cost
        return self._run(task, beat)

    def rehearse(self) -> None:
        """Before there is a job: find out what its first rows would show, so that it starts as later ones do."""
        proving = self._tools.model.proving
        if proving is not None:
            from penstock_worker.batch.rehearsal import rehearse

            rehearse(self._tools, proving)

    def _run(self, task: Task, beat: Callable[[], None]) -> Result:
        parts = Parts(self._files, task, self._order, self._names)
        try:
            return MiniBatch(self._tools, task, parts, beat).run()
        except BaseException as error:
            parts.discard()
            if isinstance(error, (ResultError, OtherColumnsError)):
                raise TaskFailedError(RUN_FAILED, str(error)) from error
            raise


def _libraries(place: ModelPlace) -> list[Any]:
    names = ("pyarrow", "pyarrow.compute", "numpy", "pandas")
    try:
        return [importlib.import_module(name) for name in names]
    except BaseException as error:
        what = "batch jobs of an MLflow model need pyarrow, pandas and numpy in its environment:"
        raise failure_of(contract.MODEL_LOAD_FAILED, what, error, place.folder, place.memory_bytes) from error

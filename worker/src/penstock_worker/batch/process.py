"""A worker's life: report, limits, load, report again, do tasks until there are none, close."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from penstock_worker import batch_contract, contract, memory
from penstock_worker.batch.ahead import cut_ahead
from penstock_worker.batch.ending import Ending
from penstock_worker.batch.entry_script import take_place
from penstock_worker.batch.loop import Loop, Seat
from penstock_worker.batch.priority import give_way
from penstock_worker.batch.runner import Loaded, load_runner
from penstock_worker.batch.tasks import Tasks
from penstock_worker.batch.user_logs import UserLogs
from penstock_worker.batch_contract import Order
from penstock_worker.failure import LoadError
from penstock_worker.logs import LINE, keep_small, log, set_up
from penstock_worker.progress import Progress
from penstock_worker.sealed import seal_environment
from penstock_worker.trace import user_traceback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.batch.variables import BatchVariables

# For threads that the user's code has left running, and what it has registered for the end.
_LAST_SECONDS, _LAST_SECONDS_WHEN_TOLD = 30.0, 1.0


def work(variables: BatchVariables, arguments: Sequence[str]) -> int:
    """Load what `variables` name and do the worker's tasks. Returns the exit code. Scripts find `arguments`."""
    if variables.gives_way:
        give_way()
    order = batch_contract.read(variables.folder / "order.json", Order)
    logs = _begin_logs(variables, order)
    seal_environment()
    memory.offer_to_kernel()
    progress, ending = Progress(variables.report), Ending()
    seat = _seat(variables)
    ending.listen()
    try:
        order = _prepared(variables, order, arguments)
        loaded = _load(variables, order, seat, ending)
    except LoadError as failure:
        if logs is not None:
            logs.not_loaded(failure)
        progress.fail(failure)
    progress.loaded()
    # What is loaded stays: the collector need not look at it again and again, which takes long for a large model.
    gc.collect()
    gc.freeze()
    ending.begin()
    progress.ready()
    if order.preflight:
        loaded.rehearse()
        os._exit(contract.EXIT_OK)  # nothing was scored, and nobody is to be told of an end
    Loop(seat, loaded, Tasks(loaded.runner, order, variables.folder).do, ending, logs).run()
    _close(loaded, logs)
    _end_within(_LAST_SECONDS_WHEN_TOLD if ending.asked else _LAST_SECONDS)
    return contract.EXIT_OK


def _begin_logs(variables: BatchVariables, order: Order | None) -> UserLogs | None:
    if order is None or not order.logs_folder:
        faulthandler.enable()
        set_up()
        if variables.log is not None and variables.log_bytes is not None:
            keep_small(variables.log, variables.log_bytes)
        return None
    logs = UserLogs(Path(order.logs_folder), variables.worker)
    own = logs.take_streams()
    faulthandler.enable(own)
    set_up(own)
    # As Azure does: what scripts log stands among what they print.
    form = logging.Formatter(LINE)
    form.converter = time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(form)
    level = order.logging_level.upper()
    logging.basicConfig(level=level, handlers=[handler])
    take_place(logs.of_entry_script, logs.process, form, level)
    return logs


def _seat(variables: BatchVariables) -> Seat:
    root = variables.mlflow_model or variables.app_root
    return Seat(variables.folder, variables.worker, root, variables.memory_bytes)


def _prepared(variables: BatchVariables, order: Order | None, arguments: Sequence[str]) -> Order:
    if order is None:
        raise LoadError(contract.SETTING_INVALID, f"{variables.folder / 'order.json'} is no order of a job")
    if variables.memory_bytes is not None:
        memory.limit_memory(variables.memory_bytes)
    # Arrow's other allocators map a gigabyte ahead, or ever new pieces, all of which count for the limit.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    sys.argv = [str(variables.app_root / (variables.entry or "main.py")), *arguments]
    return order


def _load(variables: BatchVariables, order: Order, seat: Seat, ending: Ending) -> Loaded:
    if variables.entry is None:
        cut_ahead(seat, order, ending)
    return load_runner(variables, order)


def _close(loaded: Loaded, logs: UserLogs | None) -> None:
    try:
        loaded.close()
    except BaseException as error:  # noqa: BLE001 - the work is done, and its results are kept
        failure = LoadError(batch_contract.RUN_FAILED, f"shutdown() raised {error!r}", user_traceback(error))
        log.error("%s", failure.message)
        if logs is not None:
            logs.not_loaded(failure)


def _end_within(seconds: float) -> None:
    """A thread that init() has left running must not keep the process alive: nothing lives between jobs."""
    last = threading.Timer(seconds, os._exit, (contract.EXIT_OK,))
    last.daemon = True
    last.start()

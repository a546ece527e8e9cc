"""From the first line to serving: report, limit, load, listen, report again."""

from __future__ import annotations

import faulthandler
import gc
import os
import time
from typing import TYPE_CHECKING, NoReturn

from penstock_worker import contract, memory
from penstock_worker.app import serve
from penstock_worker.contract import Report, write_report
from penstock_worker.failure import LoadError
from penstock_worker.listener import listen
from penstock_worker.logs import keep_small, log, set_up, write_error
from penstock_worker.routes import Routes
from penstock_worker.script import ScriptPlace, load_script
from penstock_worker.swagger import ANYTHING, document

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.variables import Variables


def start(variables: Variables) -> int:
    """Load what `variables` name and serve it until SIGTERM. Returns the exit code."""
    faulthandler.enable()
    set_up()
    if variables.log is not None and variables.log_bytes is not None:
        keep_small(variables.log, variables.log_bytes)
    _say(variables.report, Report(contract.LOADING, os.getpid()))
    if variables.memory_bytes is not None:
        memory.limit_memory(variables.memory_bytes)
    memory.offer_to_kernel()

    began = time.monotonic()
    try:
        routes = _load(variables)
        load_seconds = time.monotonic() - began
        listener = listen(variables.socket)
    except LoadError as failure:
        _fail(variables.report, failure)

    # What is loaded stays: the collector need not look at it again and again, which takes long for a large model.
    gc.collect()
    gc.freeze()

    def ready() -> None:
        _say(variables.report, Report(contract.READY, os.getpid(), load_seconds=load_seconds))
        log.info("ready after %.1f s", load_seconds)

    serve(routes, listener, variables.max_body_bytes, ready)
    return contract.EXIT_OK


def _load(variables: Variables) -> Routes:
    if variables.mlflow_model is not None:
        from penstock_worker.model import load_model

        model = load_model(variables.mlflow_model, variables.memory_bytes)
        return Routes(model, model.swagger())
    place = ScriptPlace(variables.app_root, variables.entry, variables.source_directory)
    return Routes(load_script(place, variables.memory_bytes), document(ANYTHING, ANYTHING))


def _fail(report: Path | None, failure: LoadError) -> NoReturn:
    """Say why, and end the process: at once, for a thread that init() left running must not keep it alive."""
    _say(report, Report(contract.FAILED, os.getpid(), failure.reason, failure.message, failure.traceback))
    log.error("%s: %s", failure.reason, failure.message)
    write_error(failure.traceback)
    os._exit(contract.EXIT_CANNOT_LOAD)


def _say(path: Path | None, report: Report) -> None:
    if path is None:
        return
    try:
        write_report(path, report)
    except OSError as error:
        # Serving matters more than saying so; whoever waits for the report sees the process and its log.
        log.error("the report %r cannot be written to %s: %s", report.phase, path, error)

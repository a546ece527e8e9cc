"""From the first line to serving: report, limit, load, try, listen, report again."""

from __future__ import annotations

import faulthandler
import gc
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock_worker import contract, memory
from penstock_worker.app import serve
from penstock_worker.collecting import begin, end
from penstock_worker.counters import Counters
from penstock_worker.dialects import open_inference
from penstock_worker.failure import LoadError
from penstock_worker.guarded_script import guarded
from penstock_worker.guarding import Guarding
from penstock_worker.inflight import Inflight
from penstock_worker.inspection import inspection_pages
from penstock_worker.listener import listen
from penstock_worker.logs import keep_small, log, set_up, write_error
from penstock_worker.progress import Progress
from penstock_worker.routes import Routes
from penstock_worker.samples import UnusableSampleError, find_sample, sample_body
from penstock_worker.scoring import Scorer
from penstock_worker.script import ScriptPlace, load_script
from penstock_worker.sealed import seal_environment
from penstock_worker.swagger import ANYTHING, document
from penstock_worker.tracing import Traced
from penstock_worker.trial import Trial, Tried, try_sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock_worker.entry import Entry
    from penstock_worker.listener import Listener
    from penstock_worker.model import Model
    from penstock_worker.variables import Variables

_LEAST_TIMEOUT = 30.0  # seconds for the sample: a first call may import, compile and connect


def start(variables: Variables) -> int:
    """Load what `variables` name and serve it until SIGTERM. Returns the exit code."""
    faulthandler.enable()
    set_up()
    seal_environment()
    if variables.log is not None and variables.log_bytes is not None:
        keep_small(variables.log, variables.log_bytes)
    progress = Progress(variables.report)
    if variables.memory_bytes is not None:
        memory.limit_memory(variables.memory_bytes)
    memory.offer_to_kernel()

    counters = Counters()
    collecting = begin(variables.collector_config, variables.collected, variables.instance, counters)
    loaded, listener = _opened(variables, progress)
    # What is loaded stays: the collector need not look at it again and again, which takes long for a large model.
    gc.collect()
    gc.freeze()
    inflight = Inflight(variables.inflight, variables.making)
    guarding = Guarding(variables.policy, counters, variables.contracts)
    entry = guarded(loaded.entry, loaded.model, guarding)
    traced = Traced(entry, loaded.root)
    scorer = Scorer(traced, counters, _timeout(variables), inflight)
    capture = None if collecting is None else collecting.open(loaded.model)
    routes = Routes(traced, scorer, loaded.swagger, counters, capture)
    routes.open_inference = open_inference(entry, loaded.model, scorer, variables)
    routes.add_pages(inspection_pages(traced, lambda: sample_body(variables, loaded.example)))
    serve(routes, listener, variables.max_body_bytes, progress.ready, guarding.look)
    end(collecting)
    return contract.EXIT_OK


class _Loaded(NamedTuple):
    """What is served. `what` names its function in messages, `root` is the folder of its author's code."""

    entry: Entry
    swagger: dict[str, Any]
    what: str
    root: Path
    example: Mapping[str, Any] | None = None  # what MLmodel says of the input example
    model: Model | None = None  # the entry, if it is an MLflow model


def _opened(variables: Variables, progress: Progress) -> tuple[_Loaded, Listener]:
    """What is served, loaded, tried and proven, and where it listens; ends the process if any of it fails."""
    try:
        loaded = _load(variables)
        progress.loaded()
        progress.tried(_try(loaded, variables, progress))
        if loaded.model is not None:
            progress.proven(*_prove(loaded.model, variables))
        return loaded, listen(variables.address)
    except LoadError as failure:
        progress.fail(failure)


def _load(variables: Variables) -> _Loaded:
    folder = variables.mlflow_model
    if folder is not None:
        from penstock_worker.model import load_model

        model = load_model(folder, variables.memory_bytes)
        return _Loaded(model, model.swagger(), f"predict() of model {folder.name}", folder, model.example, model)
    place = ScriptPlace(variables.app_root, variables.entry, variables.source_directory)
    script = load_script(place, variables.memory_bytes)
    return _Loaded(script, document(ANYTHING, ANYTHING), f"run() in {place.name}", place.app_root)


def _try(loaded: _Loaded, variables: Variables, progress: Progress) -> Tried:
    """Predict for the sample request, if there is one. Raises `LoadError` if that must succeed and does not."""
    if variables.sample == contract.SKIPPED:
        return Tried(notices=("the prediction was skipped as asked",))
    required = variables.sample == contract.REQUIRED
    try:
        sample = find_sample(variables, loaded.example)
        if sample is None:
            return Tried(notices=("no prediction was tried: there is no input example or sample request",))
        progress.trying(sample.name)
        log.info("trying %s", sample.name)
        return try_sample(_trial(loaded, variables, progress, required=required), sample)
    except UnusableSampleError as error:
        return Tried(notices=(f"no prediction was tried: {error}",))
    except LoadError as failure:
        if required:
            raise
        # It has been proven by another instance: what fails now may be a database that is away for a while.
        log.warning("%s: %s", failure.reason, failure.message)
        write_error(failure.traceback)
        return Tried(notices=(failure.message,))


def _prove(model: Model, variables: Variables) -> tuple[int, str]:
    """Whether the model may answer requests together: how many at most, and why not more."""
    if variables.sample == contract.SKIPPED:
        return 0, "requests are not batched: no prediction was to be tried"
    body = sample_body(variables, model.example)
    notice = model.prove(body, batch_rows=variables.batch_rows, shorter=variables.fast_path)
    return model.batch_rows, notice if variables.batch_rows else ""


def _timeout(variables: Variables) -> float | None:
    return None if variables.request_timeout_ms is None else variables.request_timeout_ms / 1000


def _trial(loaded: _Loaded, variables: Variables, progress: Progress, *, required: bool) -> Trial:
    timeout = _timeout(variables)
    return Trial(
        entry=loaded.entry,
        what=loaded.what,
        root=loaded.root,
        # The limit is lifted for good where it is hit, which only a process that is about to end may do.
        memory_bytes=variables.memory_bytes if required else None,
        timeout=max(_LEAST_TIMEOUT, timeout or 0.0),
        request_timeout=timeout,
        on_timeout=progress.fail,
    )

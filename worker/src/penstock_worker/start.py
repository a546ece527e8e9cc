"""From the first line to serving: report, limit, load, try, listen, report again."""

from __future__ import annotations

import faulthandler
import gc
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from penstock_worker import contract, memory, server_log
from penstock_worker.app import serve
from penstock_worker.around import surrounded
from penstock_worker.collecting import Collecting, begin, end
from penstock_worker.counters import Counters
from penstock_worker.debugging import attach
from penstock_worker.dialects import open_inference
from penstock_worker.failure import LoadError
from penstock_worker.guarded_script import guarded
from penstock_worker.guarding import Guarding
from penstock_worker.inflight import Inflight
from penstock_worker.inspection import inspection_pages, metrics_page
from penstock_worker.listener import Listener, bind, listen
from penstock_worker.logs import follow, keep_small, log, set_up, write_error
from penstock_worker.measures import Measures
from penstock_worker.members import Member, Members
from penstock_worker.progress import Progress
from penstock_worker.routes import Routes
from penstock_worker.samples import UnusableSampleError, find_sample, sample_body
from penstock_worker.scoring import Scorer
from penstock_worker.script import ScriptPlace, load_script
from penstock_worker.script_run import Behaviour
from penstock_worker.sealed import seal_environment
from penstock_worker.swagger import swagger_page
from penstock_worker.tape import Tape
from penstock_worker.tracing import Traced
from penstock_worker.tree import tree_lines
from penstock_worker.trial import Trial, Tried, try_sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock_worker.entry import Entry
    from penstock_worker.messages import Request, Response
    from penstock_worker.model import Model
    from penstock_worker.variables import Variables

_MOST_TREE_LINES = 200
_LEAST_TIMEOUT = 30.0  # seconds for the sample: a first call may import, compile and connect


def start(variables: Variables, oddity: str = "") -> int:
    """Load what `variables` name and serve it until SIGTERM. Returns the exit code. `oddity` is to be logged."""
    faulthandler.enable()
    set_up()
    if oddity:
        log.warning("%s", oddity)
    seal_environment()
    if variables.log is not None and variables.log_bytes is not None:
        keep_small(variables.log, variables.log_bytes)
    memory.offer_to_kernel()
    progress = Progress(variables.report)
    try:
        server_log.set_up(_folders(variables), variables.settings.log_level)
        if variables.settings.processes > 1:
            return _start_members(variables, progress)
        _limit_memory(variables.memory_bytes)
        loaded = _prepare(variables, progress)
        measures = Measures(variables.measures, memory_bytes=variables.memory_bytes)
        return _serve(loaded, variables, listen(variables.address), progress.ready, Seat(measures))
    except LoadError as failure:
        progress.fail(failure)


def _start_members(variables: Variables, progress: Progress) -> int:
    """Several processes that serve what each of them loads, or what is loaded before they start. Raises `LoadError`."""
    settings = variables.settings
    limit = variables.memory_bytes
    # What is loaded before is shared; what each loads is not.
    share = limit if limit is None or settings.preload else limit // settings.processes
    if settings.preload:
        _limit_memory(limit)
    loaded = _prepare(variables, progress) if settings.preload else None

    def serve_one(member: Member) -> int:
        own = Progress(member.report)
        if variables.log is not None and variables.log_bytes is not None:
            follow(variables.log)
        try:
            if loaded is None:
                _limit_memory(share)
            served = loaded or _prepare(variables, own)
            own.tell()
            listener, seat = member.join(), Seat(measures, member.number)
            return _serve(served, variables, listener, lambda: log.info("ready, as one of several processes"), seat)
        except LoadError as failure:
            own.fail(failure)

    measures = Measures(variables.measures, settings.processes, limit)
    members = Members(settings.processes, bind(variables.address), progress, serve_one)
    if loaded is None or loaded.collecting is None:
        return members.run()
    loaded.collecting.open(loaded.model)  # what Azure's package sends from the members arrives here
    code = members.run()
    end(loaded.collecting)
    return code


def _limit_memory(memory_bytes: int | None) -> None:
    if memory_bytes is not None:
        memory.limit_memory(memory_bytes)


def _prepare(variables: Variables, progress: Progress) -> Loaded:
    """Load, try and prove. Raises `LoadError`."""
    if variables.settings.debug_port is not None:
        attach(variables.settings.debug_port)
    loaded = load(variables)
    progress.loaded()
    progress.tried(_try(loaded, variables, progress))
    if loaded.model is not None:
        progress.proven(*_prove(loaded.model, variables))
    else:
        progress.proven(loaded.entry.batch_rows, "")
    # What is loaded stays: the collector need not look at it again and again, which takes long for a large model.
    gc.collect()
    gc.freeze()
    return loaded


def _serve(
    loaded: Loaded, variables: Variables, listener: Listener, on_listening: Callable[[], None], seat: Seat
) -> int:
    listener.keeps = listener.keeps or loaded.entry.batch_rows > 0
    routes, each_second = routes_of(loaded, variables, seat)
    serve(routes, listener, variables.max_body_bytes, on_listening, each_second)
    end(loaded.collecting)
    return contract.EXIT_OK


class Seat(NamedTuple):
    """Which of an instance's processes this one is, and where they write what they do."""

    measures: Measures
    number: int = 0


def routes_of(loaded: Loaded, variables: Variables, seat: Seat) -> tuple[Routes, Callable[[], None]]:
    """All that answers requests to what is loaded, and what is to be called each second while they do."""
    counters, collecting = loaded.counters, loaded.collecting
    guarding = Guarding(variables.policy, counters, variables.contracts)
    inflight = Inflight(variables.inflight, variables.making)
    entry = guarded(loaded.entry, loaded.model, guarding)
    traced = Traced(entry, loaded.root)
    scorer = Scorer(traced, counters, _timeout(variables), inflight)
    capture = None if collecting is None else collecting.open(loaded.model)
    place = seat.measures.place(seat.number, scorer.stages, counters)
    routes = Routes(traced, scorer, loaded.swagger, capture)
    routes.open_inference = open_inference(entry, loaded.model, scorer, variables, capture)
    routes.add_pages(inspection_pages(traced, lambda: sample_body(variables, loaded.example)))
    routes.add_pages({contract.METRICS_ROUTE: metrics_page(place, scorer.stages)})
    routes.runs_options = loaded.raw
    routes.outermost = surrounded(routes.take, variables.settings)
    tape = Tape(routes, seat.measures.making)
    routes.add_pages({contract.TAPE_ROUTE: tape.page})
    return routes, lambda: _each(guarding.look, tape.look, place.write)


def _each(*steps: Callable[[], object]) -> None:
    for step in steps:
        step()


class Loaded(NamedTuple):
    """What is served. `what` names its function in messages, `root` is the folder of its author's code.

    `raw`: it answers all methods by itself.
    """

    entry: Entry
    swagger: Callable[[Request], Response]
    what: str
    root: Path
    counters: Counters
    collecting: Collecting | None
    example: Mapping[str, Any] | None = None  # what MLmodel says of the input example
    model: Model | None = None  # the entry, if it is an MLflow model
    raw: bool = False


def load(variables: Variables) -> Loaded:
    """Import the script or model, and begin to collect what it may want to keep. Raises `LoadError`."""
    counters = Counters()
    collecting = begin(variables.collector_config, variables.collected, variables.instance, counters)
    served = (counters, collecting)
    folder = variables.mlflow_model
    if folder is not None:
        from penstock_worker.model import load_model

        model = load_model(folder, variables.memory_bytes)
        swagger = swagger_page(model.schemas(), variables.settings.service, None)
        return Loaded(model, swagger, f"predict() of model {folder.name}", folder, *served, model.example, model)
    place = ScriptPlace(variables.app_root, variables.entry, variables.source_directory)
    try:
        script = load_script(place, variables.memory_bytes, _behaviour(variables))
    except LoadError as failure:
        if failure.reason == contract.SCRIPT_INIT_FAILED and variables.model_dir is not None:
            _show_models(variables.model_dir)
        raise
    swagger = swagger_page(script.schemas(), variables.settings.service, place.app_root)
    return Loaded(script, swagger, f"run() in {place.name}", place.app_root, *served, raw=script.takes_options)


def _behaviour(variables: Variables) -> Behaviour:
    settings = variables.settings
    return Behaviour(settings.strict, settings.scoring_timeout_ms, variables.batch_rows)


def _show_models(folder: Path) -> None:
    """init() may have failed because a file is not where it looks."""
    server_log.server_log.info("the folder of the model, %s:", folder)
    for line in tree_lines(folder, _MOST_TREE_LINES) if folder.is_dir() else ():
        server_log.server_log.info("%s", line)


def _folders(variables: Variables) -> list[Path]:
    """Where the author's own files for the server lie: the app's root, and beside the script."""
    return [variables.app_root, (variables.app_root / (variables.entry or "")).parent]


def _try(loaded: Loaded, variables: Variables, progress: Progress) -> Tried:
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


def _trial(loaded: Loaded, variables: Variables, progress: Progress, *, required: bool) -> Trial:
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

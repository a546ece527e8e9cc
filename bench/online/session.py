"""One run from beginning to end: train, start, check the answers, measure in rounds, end everything, print."""

import contextlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import table
from commands import CommandError
from deployments import Penstock
from environments import python_of
from footprint import Footprint, footprint
from limit import before_worker, fixed_answer
from load import Closed, Load, Open, answers_to
from measurement import Measurement, measure, said
from models import Trained, train
from peers import PEERS_BY_NAME, PeerError, started
from processes import freeze
from server import Server, wrong_answers
from validation import validation

_CHECKED = 256  # answers of each server, before it is measured
_AT_ONCE = 32
_SPECIAL = "A"  # the model of the rows that are not about models


@dataclass(frozen=True, kw_only=True)
class Options:
    models: Sequence[str]
    peers: Sequence[str]
    closed: Sequence[Closed]
    open: Sequence[Open]
    seconds: int
    rounds: int
    output: Path | None
    environments: Path


@dataclass
class Results:
    """What is known so far; it is written after every model, so that an interruption loses little."""

    measurements: list[Measurement] = field(default_factory=list)
    servers: dict[str, list[Server]] = field(default_factory=dict)
    footprints: list[Footprint] = field(default_factory=list)
    validation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def session(options: Options) -> None:
    for kind in dict.fromkeys(["mlflow", *(PEERS_BY_NAME[name].kind for name in options.peers)]):
        python_of(kind, options.environments)
    results = Results()
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    penstock = Penstock(folder / "penstock")
    try:
        models = train(python_of("mlflow", options.environments), options.models, folder / "models")
        penstock.up()
        results.validation = validation(python_of("mlflow", options.environments))
        for model in models.values():
            _measure(model, options, penstock, folder, results)
            _write(options, results)
    finally:
        penstock.down()
        shutil.rmtree(folder, ignore_errors=True)
        _print(options, results)


def _measure(model: Trained, options: Options, penstock: Penstock, folder: Path, results: Results) -> None:
    with contextlib.ExitStack() as stack:
        servers = _deployed(penstock, model, stack, folder, results)
        for found in list(servers):
            if found.endpoint and model.name == _SPECIAL and found.name in ("penstock", "penstock-script"):
                kind = "mlflow" if found.name == "penstock" else "joblib"
                results.footprints.append(footprint(penstock, found, model, kind))
        servers += _peers(options, model, stack, folder, results)
        results.servers[model.name] = servers
        for number in range(1, options.rounds + 1):
            for load in (*options.closed, *_arrivals(options, model)):
                for server in servers:
                    found = measure(server, model, load, options.seconds, number)
                    results.measurements.append(found)
                    print(said(found), flush=True)


def _arrivals(options: Options, model: Trained) -> Sequence[Load]:
    return [load for load in options.open if load.rate <= 1000 or model.name == _SPECIAL]


def _deployed(
    penstock: Penstock, model: Trained, stack: contextlib.ExitStack, folder: Path, results: Results
) -> list[Server]:
    """Penstock's own, each checked. Some rows need one model only: they are about the platform."""
    servers = [penstock.serve_mlflow("penstock", model)]
    try:
        servers.append(penstock.serve_compiled("penstock-compiled", model))
    except (CommandError, KeyError) as err:
        results.absent[f"penstock-compiled {model.name}"] = str(err)
        print(f"    without a compiled model {model.name}: {err}", flush=True)
    if model.name == _SPECIAL:
        servers.append(penstock.serve_mlflow("penstock-pyfunc", model, PENSTOCK_FAST_PATH="off"))
        servers.append(penstock.serve_script("penstock-script", model))
        nothing = penstock.serve_nothing("penstock-nothing", model)
        worker = penstock.behind_gateway(nothing, "worker-nothing")
        limit = stack.enter_context(before_worker(str(worker.target.place), nothing, folder))
        static = stack.enter_context(fixed_answer(folder))
        servers += [penstock.behind_gateway(servers[0], "worker"), nothing, worker, limit, static]
    for server in servers:
        _check(server, model)
    return servers


def _peers(
    options: Options, model: Trained, stack: contextlib.ExitStack, folder: Path, results: Results
) -> list[Server]:
    servers = []
    for name in options.peers:
        try:
            server = stack.enter_context(started(PEERS_BY_NAME[name], model, options.environments, folder))
            _check(server, model)
        except PeerError as err:
            results.absent[f"{name} {model.name}"] = str(err)
            print(f"    without {name}: {err}", flush=True)
            continue
        freeze([process for found in server.stages().values() for process in found])
        print(f"    {name} started in {server.start_seconds:.1f} s", flush=True)
        servers.append(server)
    return servers


def _check(server: Server, model: Trained) -> None:
    """Different rows at the same time: a batch that mixes up its answers is found here."""
    bodies = [server.target.body(model.columns, row) for row in model.rows]
    asked = [bodies[number % len(bodies)] for number in range(_CHECKED)]
    faults = wrong_answers(server, model, _CHECKED, answers_to(server.target, asked, _AT_ONCE))
    if faults:
        raise PeerError(f"{server.name} answers {len(faults)} of {_CHECKED} requests wrongly: {faults[0]}")


def _print(options: Options, results: Results) -> None:
    measurements, closed = results.measurements, [load.name for load in options.closed]
    if not measurements:
        return
    print(f"\n{_machine()}; {options.rounds} rounds of {options.seconds} s; one row per request; medians of the rounds")
    for model, servers in results.servers.items():
        print(table.rates(model, measurements, closed))
        if options.open:
            print(table.arrivals(model, measurements, [load.name for load in options.open]))
        print(table.processor(model, measurements, closed))
        print(table.starts(model, servers))
    if results.footprints:
        print(table.footprints(results.footprints))
    print(table.validation(results.validation))
    print(table.claims(measurements))
    print(table.drift(measurements))
    for name, reason in results.absent.items():
        print(f"\nNot measured: {name}: {reason.splitlines()[0]}")


def _write(options: Options, results: Results) -> None:
    if options.output is None:
        return
    servers = {model: [_as_json(server) for server in found] for model, found in results.servers.items()}
    content = {
        "machine": _machine(),
        "seconds": options.seconds,
        "measurements": [measurement.as_json() for measurement in results.measurements],
        "servers": servers,
        "footprints": [asdict(found) for found in results.footprints],
        "validation_us": results.validation,
        "absent": results.absent,
    }
    options.output.write_text(json.dumps(content, indent=1))


def _as_json(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "start_seconds": server.start_seconds,
        "rss_mb": server.idle and server.idle.rss,
        "pss_mb": server.idle and server.idle.pss,
    }


def _machine() -> str:
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return f"{os.cpu_count()} CPUs ({cpu}), Linux {platform.release()}, Python {platform.python_version()}"

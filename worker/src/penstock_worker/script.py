"""Scoring scripts: load one as Azure's server does, run its init(), and call its run() with the text of a request."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qsl

from penstock_worker import aliases, contract
from penstock_worker.aml import takes_request
from penstock_worker.entry import Call
from penstock_worker.failure import LoadError, failure_of
from penstock_worker.messages import BadInputError, Request
from penstock_worker.script_answers import script_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HEADERS = "request_headers"


@dataclass(frozen=True)
class ScriptPlace:
    """Where a script lies. `entry` is joined to `app_root`; None means the module `main` on the import path."""

    app_root: Path
    entry: str | None
    source_directory: str | None = None

    @property
    def name(self) -> str:
        return self.entry or "main.py"


class Script:
    """A loaded script. Its calls hold the arguments of run()."""

    batch_rows = 0

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        self._input, self._wants_headers = _parameters(run)

    def read(self, request: Request) -> Call:
        arguments: dict[str, Any] = {self._input: text_of(request)}
        if self._wants_headers:
            arguments[_HEADERS] = _plain_headers(request)
        return Call(arguments, script_answer)

    def run(self, call: Call) -> Any:
        return self._run(**call.input)

    def run_batch(self, calls: Sequence[Call]) -> Sequence[Any]:
        return [self.run(call) for call in calls]


def load_script(place: ScriptPlace, memory_bytes: int | None) -> Script:
    """Import the script at `place`, check its run(), and call its init(). Raises `LoadError`."""
    aliases.install()
    sys.path.append(str(place.app_root))
    if place.source_directory:
        sys.path.append(os.path.join(place.app_root, place.source_directory))
    module = _import(place, memory_bytes)
    script = Script(_run_of(module, place))
    try:
        module.init()
    except BaseException as error:  # sys.exit() in init() is a failure as any other
        what = f"init() in {place.name} raised"
        raise failure_of(contract.SCRIPT_INIT_FAILED, what, error, place.app_root, memory_bytes) from error
    return script


def text_of(request: Request) -> str:
    """The input of an undecorated run(): the body, or the query of a GET as JSON. Raises `BadInputError`."""
    if request.method == "GET":
        return _query_json(request.query)
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError({"message": f"Input cannot be decoded as UTF-8: {error}"}) from error


def _import(place: ScriptPlace, memory_bytes: int | None) -> ModuleType:
    path = _find(place)
    try:
        return importlib.import_module("main") if path is None else _execute(path)
    except BaseException as error:
        what = f"{place.name} cannot be imported:"
        raise failure_of(contract.SCRIPT_IMPORT_ERROR, what, error, place.app_root, memory_bytes) from error


def _find(place: ScriptPlace) -> Path | None:
    if place.entry is None:
        if importlib.util.find_spec("main") is None:
            raise LoadError(
                contract.SCRIPT_FILE_NOT_FOUND,
                f"there is no main.py in {place.app_root}, and {contract.ENTRY_SCRIPT} names no other script",
            )
        return None
    path = place.app_root / place.entry
    if not path.is_file():
        raise LoadError(
            contract.SCRIPT_FILE_NOT_FOUND,
            f"scoring script {place.entry!r} does not exist in {place.app_root}; check `scoring_script` and `code`",
        )
    return path


def _execute(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("entry_module", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles of the script look their module up by name.
    sys.modules["entry_module"] = module
    spec.loader.exec_module(module)
    return module


def _run_of(module: ModuleType, place: ScriptPlace) -> Callable[..., Any]:
    for name in ("init", "run"):
        if not callable(getattr(module, name, None)):
            raise LoadError(contract.SCRIPT_FUNCTION_NOT_FOUND, f"{place.name} defines no function {name}()")
    # A generated script names the module that holds the author's own run(); init() stays the outer one.
    driver = getattr(module, "driver_module", None)
    run = driver.run if isinstance(driver, ModuleType) and hasattr(driver, "run") else module.run
    problem = _problem(run)
    if problem:
        raise LoadError(contract.SCRIPT_FUNCTION_NOT_FOUND, f"run() in {place.name} {problem}")
    return run


def _problem(run: Callable[..., Any]) -> str:
    """What keeps run() from being called, as the end of a sentence; empty if nothing does."""
    if takes_request(run):
        return "is decorated with @rawhttp, which is not supported yet; take the body as a string instead"
    if "inference_schema" in sys.modules and hasattr(run, "__wrapped__"):
        return "is decorated with @input_schema, which is not supported yet; take the body as a string instead"
    parameters = inspect.signature(run).parameters.values()
    if any(each.kind not in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters):
        return "must not have positional-only parameters, *args or **kwargs"
    inputs = [each for each in parameters if each.name != _HEADERS]
    if not inputs:
        return "must have a parameter for the input"
    unfilled = [each.name for each in inputs[1:] if each.default is each.empty]
    if unfilled:
        return f"must have defaults for all parameters but the first: {', '.join(unfilled)}"
    return ""


def _parameters(run: Callable[..., Any]) -> tuple[str, bool]:
    names = list(inspect.signature(run).parameters)
    return next(name for name in names if name != _HEADERS), _HEADERS in names


def _plain_headers(request: Request) -> dict[str, str]:
    return {name.decode("latin-1").title(): value.decode("latin-1") for name, value in request.headers.items()}


def _query_json(query: str) -> str:
    return json.dumps(_grouped(parse_qsl(query, keep_blank_values=True)))


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for name, text in pairs:
        values.setdefault(name, []).append(_parsed(text))
    return {name: items[0] if len(items) == 1 else items for name, items in values.items()}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

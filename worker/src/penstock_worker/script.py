"""Scoring scripts: load one as Azure's server does, and run its init()."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

from penstock_worker import aliases, contract
from penstock_worker.aml_request import forget_raw, raw_is_asked_for
from penstock_worker.decorated import is_decorated
from penstock_worker.failure import LoadError, failure_of
from penstock_worker.script_inputs import HEADERS
from penstock_worker.script_run import Behaviour, Script


@dataclass(frozen=True)
class ScriptPlace:
    """Where a script lies. `entry` is joined to `app_root`; None means the module `main` on the import path."""

    app_root: Path
    entry: str | None
    source_directory: str | None = None

    @property
    def name(self) -> str:
        return self.entry or "main.py"


def load_script(place: ScriptPlace, memory_bytes: int | None, behaviour: Behaviour | None = None) -> Script:
    """The script at `place`, ready to answer requests. Raises `LoadError`."""
    module, run = load_module(place, memory_bytes)
    return Script(run, behaviour, raw=raw_is_asked_for(), batch=_batch_of(module))


def load_module(place: ScriptPlace, memory_bytes: int | None) -> tuple[ModuleType, Callable[..., Any]]:
    """Import the script at `place`, check its run(), and call its init(): the module and run(). Raises `LoadError`."""
    aliases.install()
    forget_raw()
    sys.path.append(str(place.app_root))
    if place.source_directory:
        sys.path.append(os.path.join(place.app_root, place.source_directory))
    module = _import(place, memory_bytes)
    run = _run_of(module, place)
    try:
        module.init()
    except BaseException as error:  # sys.exit() in init() is a failure as any other
        what = f"init() in {place.name} raised"
        raise failure_of(contract.SCRIPT_INIT_FAILED, what, error, place.app_root, memory_bytes) from error
    return module, run


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
    decorated = is_decorated(run)
    if raw_is_asked_for() and decorated:
        return "must not be decorated with both @rawhttp and @input_schema"
    parameters = inspect.signature(run).parameters.values()
    if any(each.kind not in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters):
        return "must not have positional-only parameters, *args or **kwargs"
    inputs = [each for each in parameters if each.name != HEADERS]
    if not inputs:
        return "must have a parameter for the input"
    unfilled = [each.name for each in inputs[1:] if each.default is each.empty]
    if unfilled and not decorated:
        return f"must have defaults for all parameters but the first: {', '.join(unfilled)}"
    return ""


def _batch_of(module: ModuleType) -> Callable[..., Any] | None:
    batch = getattr(module, "run_batch", None)
    return batch if callable(batch) else None

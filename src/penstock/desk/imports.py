"""What the worker needs, made importable in an interpreter of the user's own, without installing anything into it."""

import json
import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import uv

from penstock.domain.errors import failed, invalid
from penstock.environments.worker_wheel import worker_needs

_LEAST = (3, 9)
_SECONDS = 60
_INSTALL_SECONDS = 300
_WORKER = "penstock_worker"
_TELL = """
import importlib.util, json, sys, sysconfig
names = {name: importlib.util.find_spec(name) is not None for name in sys.argv[1:]}
print(json.dumps({"version": sys.version_info[:3], "abi": sysconfig.get_config_var("SOABI"), "has": names}))
"""


class Interpreter:
    """A Python, its version, and which of the modules that were asked for it has."""

    def __init__(self, path: Path, told: Mapping[str, Any]) -> None:
        self.path = path
        self.version: tuple[int, ...] = tuple(told["version"])
        self.abi: str | None = told["abi"]
        self._has: Mapping[str, bool] = told["has"]

    def has(self, module: str) -> bool:
        return self._has[module]

    def __str__(self) -> str:
        return f"Python {'.'.join(map(str, self.version))} ({self.path})"


def interpreter(path: Path, environ: Mapping[str, str], modules: Iterable[str] = ()) -> Interpreter:
    """The interpreter at `path`, with what it says of `modules`. Raises `invalid` if the worker cannot run in it."""
    command = [str(path), "-c", _TELL, *(need.name for need in worker_needs()), *modules]
    try:
        ran = subprocess.run(command, check=True, capture_output=True, env=dict(environ), timeout=_SECONDS)
        found = Interpreter(path, json.loads(ran.stdout))
    except (OSError, ValueError, subprocess.SubprocessError) as err:
        raise invalid(f"{path} is no Python that runs ({type(err).__name__}): give another with --python") from err
    if found.version < _LEAST:
        least = ".".join(map(str, _LEAST))
        raise invalid(f"{found} is too old: the worker needs Python {least} or later; give another with --python")
    return found


def import_folder(python: Interpreter, folder: Path, environ: Mapping[str, str]) -> Path:
    """Fill the new folder `folder` with what `python` lacks of the worker and the packages that it needs.

    Packages of this program's own environment serve another interpreter only if that is of the same version and kind.
    """
    folder.mkdir(mode=0o700)
    _link(_WORKER, folder)
    missing = [need for need in worker_needs() if not python.has(need.name)]
    if python.abi == sysconfig.get_config_var("SOABI") and python.version[:2] == sys.version_info[:2]:
        missing = [need for need in missing if not _link(need.name, folder)]
    if missing:
        _install(list(map(str, missing)), python, folder, environ)
    return folder


def _link(name: str, folder: Path) -> bool:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return False
    os.symlink(spec.submodule_search_locations[0], folder / name)
    return True


def _install(needs: Sequence[str], python: Interpreter, folder: Path, environ: Mapping[str, str]) -> None:
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", str(python.path), "--target", str(folder)]
    try:
        ran = subprocess.run(
            [*command, *needs], check=False, capture_output=True, text=True, env=dict(environ), timeout=_INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise failed(f"{', '.join(needs)} could not be had for {python} within {_INSTALL_SECONDS} s") from None
    if ran.returncode != 0:
        remedy = f"install them there yourself: {python.path} -m pip install {' '.join(map(shlex.quote, needs))}"
        raise failed(f"{', '.join(needs)} cannot be had for {python}: {remedy}", {"log": ran.stderr})

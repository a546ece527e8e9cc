"""The examples' own models, trained by their own `train.py` in an environment that is made once per machine."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
REQUIREMENTS = ("mlflow-skinny>=3", "pandas", "scikit-learn", "httptools", "orjson")


def a_trained_example(name: str, folder: Path) -> Path:
    """A copy of an example below `folder`, with its models."""
    copy = folder / name
    ignored = shutil.ignore_patterns("models", "model", "test.json", "__pycache__")
    shutil.copytree(EXAMPLES / name, copy, ignore=ignored)
    subprocess.run([python_with(REQUIREMENTS), "train.py"], check=True, cwd=copy, timeout=120, capture_output=True)
    return copy


def python_with(requirements: tuple[str, ...]) -> Path:
    """The interpreter of an environment with `requirements`, moved into its place when it is complete."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock-tests"
    key = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()[:16]
    place = cache / key
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of one run make one
        if not place.exists():
            fresh = Path(tempfile.mkdtemp(dir=cache, prefix=f"{key}-"))
            _install(requirements, fresh / "venv")
            fresh.rename(place)
    return place / "venv" / "bin" / "python"


def _install(requirements: tuple[str, ...], folder: Path) -> None:
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    assert uv is not None, "uv is not installed"
    python = str(folder / "bin" / "python")
    for command in (
        [uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *requirements],
    ):
        subprocess.run(command, check=True, timeout=280)

"""What is made once per machine for all tests: environments of other interpreters, and models that scripts train."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
REQUIREMENTS = ("mlflow-skinny>=3", "pandas", "scikit-learn", "httptools", "orjson")
# What models that tests deploy online ask for, be it more than they need: they share one environment then.
MODEL_PACKAGES = ("mlflow-skinny>=3", "pandas", "scikit-learn")


def a_trained_example(name: str, folder: Path) -> Path:
    """A copy of an example below `folder`, with the models that its own `train.py` makes."""
    copy = folder / name
    made = shutil.ignore_patterns("models", "model", "data", "test.json", "train.csv", "__pycache__")
    shutil.copytree(EXAMPLES / name, copy, ignore=made)
    shutil.copytree(made_by((copy / "train.py").read_text(), REQUIREMENTS), copy, dirs_exist_ok=True)
    return copy


def made_by(script: str, requirements: tuple[str, ...]) -> Path:
    """A folder with what `script` writes to its working folder, for reading only."""
    python = python_with(requirements)

    def run(folder: Path) -> None:
        (folder / "train.py").write_text(script)
        done = subprocess.run(
            [python, "-W", "ignore", "train.py"], cwd=folder, timeout=280, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    return made_once((str(python), script), run)


def python_with(requirements: tuple[str, ...]) -> Path:
    """The interpreter of an environment with `requirements`."""
    return made_once(requirements, lambda folder: _install(requirements, folder / "venv")) / "venv" / "bin" / "python"


def made_once(facts: tuple[str, ...], make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, moved into its place when it is complete; another one for other `facts`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock-tests"
    key = hashlib.sha256("\n".join((sys.version, *facts)).encode()).hexdigest()[:16]
    place = cache / key
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of one run make one
        if not place.exists():
            fresh = Path(tempfile.mkdtemp(dir=cache, prefix=f"{key}-"))
            make(fresh)
            fresh.rename(place)
    return place


def _install(requirements: tuple[str, ...], folder: Path) -> None:
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    assert uv is not None, "uv is not installed"
    python = str(folder / "bin" / "python")
    for command in (
        [uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *requirements],
    ):
        subprocess.run(command, check=True, timeout=280)

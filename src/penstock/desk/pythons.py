"""Which interpreter serves at a desk: the user's own, or that of an environment that is built for it."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from penstock.desk.imports import interpreter
from penstock.domain.environment import Requirements
from penstock.environments.base import Environments
from penstock.environments.packaged import requirements_of

_MLFLOW = ("mlflow-skinny>=3",)


def active_python(environ: Mapping[str, str]) -> Path:
    """That of the virtual or conda environment that is active, else the one that runs this program."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        python = Path(environ.get(variable) or "-") / "bin" / "python"
        if python.exists():
            return python
    return Path(sys.executable)


def built_python(environments: Environments, requirements: Requirements, say: Callable[[str], None]) -> Path:
    """That of the environment with these requirements, which is built first if it must be."""
    build = environments.plan(requirements)
    for notice in build.notices:
        say(f"notice: {notice}")
    found = environments.built(build.fingerprint)
    if found is None:
        say(f"environment {build.fingerprint} is built, which may take some minutes")
        environments.retry(build.fingerprint)
        found = environments.ensure(build)
    environments.use(found.fingerprint)
    return found.python


def model_requirements(folder: Path) -> Requirements:
    """What the MLflow model in `folder` says that it needs. Raises `invalid` if it does not say."""

    def read(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.is_file() else None

    return requirements_of(read)


def mlflow_python(
    python: Path, environ: Mapping[str, str], environments: Environments, say: Callable[[str], None]
) -> Path:
    """`python` if it has MLflow, else that of an environment with it."""
    if interpreter(python, environ, ["mlflow"]).has("mlflow"):
        return python
    return built_python(environments, Requirements(packages=_MLFLOW), say)

"""What an environment spec comes to: which of its parts decides, and which cannot be had without containers."""

from collections.abc import Callable, Mapping
from typing import Any

from penstock.domain.environment import Environment, Requirements
from penstock.domain.errors import invalid
from penstock.environments.conda import read_conda
from penstock.environments.lines import read_lines

Curated = Callable[[str], Requirements | None]


def read_environment(environment: Environment, curated: Curated) -> Requirements:
    """Requirements of `environment`; `curated` knows names and images. Raises `invalid`, see `Environments.read`."""
    what = f"environment {environment.name!r}" if environment.name else "environment"
    _refuse_containers(environment, what)
    conda, lines = environment.conda_file, environment.requirements
    if isinstance(conda, str) or isinstance(lines, str):
        raise invalid(f"{what}: {conda if isinstance(conda, str) else lines!r} is a path on the client's machine")
    if conda is None and lines is None:
        return _of_image(environment, what, curated)
    return _of_files(environment, what, conda or {}, lines or ())


def _refuse_containers(environment: Environment, what: str) -> None:
    if environment.os_type.lower() != "linux":
        raise invalid(f"{what}: os_type {environment.os_type!r} is not supported: use linux")
    for name in ("build", "inference_config"):
        if getattr(environment, name) is not None:
            raise invalid(
                f"{what}: {name} needs the container engine, which is not available yet: "
                "give conda_file or requirements instead"
            )


def _of_image(environment: Environment, what: str, curated: Curated) -> Requirements:
    if environment.image is None:
        raise invalid(f"{what} does not say what to install: give conda_file, requirements or a curated image")
    found = curated(environment.image)
    if found is None:
        raise invalid(
            f"{what}: image {environment.image!r} needs the container engine, which is not available yet: give "
            "conda_file or requirements, or add the image's name to curated.yml in Penstock's home folder"
        )
    notice = f"{what}: image {environment.image!r} is not used; packages of that name in curated.yml are installed"
    return found.model_copy(update={"notices": (notice, *found.notices)})


def _of_files(environment: Environment, what: str, conda: Mapping[str, Any], lines: tuple[str, ...]) -> Requirements:
    of_conda = read_conda(conda, f"{what}: conda_file")
    of_lines = read_lines(lines, f"{what}: requirements")
    unused = f"{what}: image {environment.image!r} is not used; the model runs in a Python environment of its own"
    return Requirements(
        python=of_conda.python,
        packages=tuple(dict.fromkeys((*of_conda.packages, *of_lines.packages))),
        notices=(*((unused,) if environment.image else ()), *of_conda.notices, *of_lines.notices),
    )

"""What an environment spec comes to: which of its parts decides, and whether it is a container's image."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from penstock.domain.environment import PYTHON_POLICY_PROPERTY, Environment, PythonPolicy, Requirements
from penstock.domain.errors import invalid
from penstock.environments.conda import read_conda
from penstock.environments.lines import read_lines

Curated = Callable[[str], Requirements | None]


def is_container(environment: Environment, curated: Curated) -> bool:
    """True if the environment is a container's image or what one is built from; `curated` knows names and images."""
    if environment.conda_file is not None or environment.requirements is not None:
        return False
    if environment.build is not None:
        return True
    image = environment.image
    return image is not None and (environment.inference_config is not None or curated(image) is None)


def read_environment(environment: Environment, curated: Curated) -> Requirements:
    """Requirements of `environment`, none for a container. Raises `invalid`, see `Environments.read`."""
    what = f"environment {environment.name!r}" if environment.name else "environment"
    if environment.os_type.lower() != "linux":
        raise invalid(f"{what}: os_type {environment.os_type!r} is not supported: use linux")
    if environment.build is not None and environment.image is not None:
        raise invalid(f"{what}: give image or build, not both")
    if is_container(environment, curated):
        return Requirements()
    _refuse_parts_of_containers(environment, what)
    policy = _python_policy(environment, what)
    conda, lines = environment.conda_file, environment.requirements
    if isinstance(conda, str) or isinstance(lines, str):
        raise invalid(f"{what}: {conda if isinstance(conda, str) else lines!r} is a path on the client's machine")
    if conda is None and lines is None:
        found = _of_image(environment, what, curated)
    else:
        found = _of_files(environment, what, conda or {}, lines or ())
    return found.model_copy(update={"python_policy": policy})


def _refuse_parts_of_containers(environment: Environment, what: str) -> None:
    for name in ("build", "inference_config"):
        if getattr(environment, name) is not None:
            raise invalid(
                f"{what}: {name} is for a container, into which nothing is installed: leave conda_file and "
                "requirements out and install the packages in the image, or leave it out"
            )


def _python_policy(environment: Environment, what: str) -> str | None:
    policy = environment.properties.get(PYTHON_POLICY_PROPERTY)
    if policy is not None and policy not in get_args(PythonPolicy):
        raise invalid(f"{what}: property {PYTHON_POLICY_PROPERTY} is {policy!r}: give strict or nearest")
    return policy


def _of_image(environment: Environment, what: str, curated: Curated) -> Requirements:
    if environment.image is None:
        raise invalid(f"{what} does not say what to install: give conda_file, requirements or a curated image")
    found = curated(environment.image) or Requirements()
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

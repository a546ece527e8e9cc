"""Environments: Azure's environment schema, and what it comes to: a Python version and requirements."""

from typing import Any, Literal

from pydantic import Field

from penstock.domain.asset import Asset, AssetStatus
from penstock.domain.resource import Frozen, Kind

# What to do where the Python version that is asked for cannot be had: nothing, or take the nearest one.
PythonPolicy = Literal["strict", "nearest"]
PYTHON_POLICY_PROPERTY = "penstock.python"


class BuildContext(Frozen):
    path: str
    dockerfile_path: str = "Dockerfile"


class Route(Frozen):
    port: int = Field(ge=1, le=65535)
    path: str = Field(pattern=r"^/[A-Za-z0-9_.~/@:+=,-]{0,255}$")


class InferenceConfig(Frozen):
    """Routes of a server of the user's own inside an image."""

    liveness_route: Route
    readiness_route: Route
    scoring_route: Route


# Those of Azure's inference server, and of Penstock's worker in a container.
USUAL_ROUTES = InferenceConfig(
    liveness_route=Route(port=5001, path="/"),
    readiness_route=Route(port=5001, path="/"),
    scoring_route=Route(port=5001, path="/score"),
)


class Environment(Asset):
    """What to install around a model (Azure's environment YAML; `requirements` is Penstock's own shorthand).

    `conda_file` is a path as users write it, and a mapping once the client has read it. `requirements` is a path
    to a requirements file, or its lines.
    """

    image: str | None = None
    conda_file: str | dict[str, Any] | None = None
    requirements: str | tuple[str, ...] | None = None
    build: BuildContext | None = None
    os_type: str = "linux"
    inference_config: InferenceConfig | None = None


class Requirements(Frozen):
    """What an environment comes to once conda files, requirement files and curated names have been read."""

    python: str | None = None  # as asked: "3.11", "3.11.7", ">=3.10"; None: any
    python_policy: PythonPolicy | None = None  # None: the platform's
    packages: tuple[str, ...] = ()  # PEP 508 lines and pip options such as `--extra-index-url`
    notices: tuple[str, ...] = ()  # what was read but has no effect, in sentences


ENVIRONMENT: Kind[Environment, AssetStatus] = Kind("environment", Environment, AssetStatus)

"""Environments: Azure's environment schema, and what it comes to: a Python version and requirements."""

from typing import Any, Literal, cast

from pydantic import Field, model_validator

from penstock.domain.resource import Frozen, Kind, Status

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


class Environment(Frozen):
    """What to install around a model (Azure's environment YAML; `requirements` is Penstock's own shorthand).

    `conda_file` is a path as users write it, and a mapping once the client has read it. `requirements` is a path
    to a requirements file, or its lines.
    """

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    version: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    image: str | None = None
    conda_file: str | dict[str, Any] | None = None
    requirements: str | tuple[str, ...] | None = None
    build: BuildContext | None = None
    os_type: str = "linux"
    inference_config: InferenceConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _versions_are_text(cls, data: Any) -> Any:
        """YAML reads `version: 1` as a number; versions are text everywhere."""
        return version_as_text(data)


def version_as_text(data: Any) -> Any:
    """`data` with a numeric `version` made text; anything else unchanged."""
    if not isinstance(data, dict):
        return data
    fields = cast(dict[str, Any], data)
    version = fields.get("version")
    return {**fields, "version": str(version)} if isinstance(version, (int, float)) else fields


class Requirements(Frozen):
    """What an environment comes to once conda files, requirement files and curated names have been read."""

    python: str | None = None  # as asked: "3.11", "3.11.7", ">=3.10"; None: any
    python_policy: PythonPolicy | None = None  # None: the platform's
    packages: tuple[str, ...] = ()  # PEP 508 lines and pip options such as `--extra-index-url`
    notices: tuple[str, ...] = ()  # what was read but has no effect, in sentences


class EnvironmentStatus(Status):
    """`archived` hides a version from lists and from `latest`; it stays deployable."""

    archived: bool = False


class EnvironmentChange(Frozen):
    """What is to be said of a version from now on; fields left out stay as they are."""

    description: str | None = None
    tags: dict[str, str] | None = None  # all of them


# A registered environment is named NAME:VERSION; what it comes to never changes.
ENVIRONMENT: Kind[Environment, EnvironmentStatus] = Kind("environment", Environment, EnvironmentStatus)

"""Environments that are built in the background, and what is said of what cannot be started, or not yet."""

from collections.abc import Callable
from dataclasses import dataclass

from penstock.domain.environment import Requirements
from penstock.domain.errors import Code, PenstockError
from penstock.environments.base import BuiltEnvironment, Environments
from penstock.preparation.background import Background
from penstock.preparation.revisions import PlacedImage


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A revision that cannot be started yet. `step` is the condition that says so, `message` what for."""

    step: str
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a revision cannot serve. `step` is the condition that it belongs to, `detail` the traceback or build log."""

    revision: str | None
    step: str
    reason: str
    message: str
    detail: str | None = None


def built_for(
    requirements: Requirements,
    environments: Environments,
    builds: Background[BuiltEnvironment],
    done: Callable[[], None] = lambda: None,
) -> BuiltEnvironment | PenstockError | Waiting:
    """The environment with `requirements`, or why there is none, or that it is being built."""
    try:
        build = environments.plan(requirements)
    except PenstockError as err:
        return err
    outcome = environments.built(build.fingerprint) or builds.outcome(
        build.fingerprint, lambda: environments.ensure(build), done
    )
    if outcome is None:
        message = f"environment {build.fingerprint} is being built"
        return Waiting(step="Environment", reason="Building", message=message)
    return outcome


def waiting_for(image: PlacedImage) -> Waiting:
    """That an image is being fetched or built."""
    if image.context:
        message = f"image {image.fingerprint} is being built from {image.dockerfile}"
        return Waiting(step="Environment", reason="Building", message=message)
    return Waiting(step="Environment", reason="Pulling", message=f"image {image.reference} is being fetched")


def retry_build(requirements: Requirements, environments: Environments, builds: Background[BuiltEnvironment]) -> None:
    """Have an environment that has failed built anew when it is asked for next. Raises what `plan` raises."""
    fingerprint = environments.plan(requirements).fingerprint
    environments.retry(fingerprint)
    builds.retry(fingerprint)


def reason_of(error: PenstockError, otherwise: str) -> str:
    return "Unavailable" if error.code is Code.UNAVAILABLE else otherwise

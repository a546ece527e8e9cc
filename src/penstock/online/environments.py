"""Registered environments: named, versioned, never changed."""

from collections.abc import Sequence

from penstock.control.resources import Change, Resources
from penstock.domain.environment import ENVIRONMENT, Environment
from penstock.domain.errors import conflict, invalid, not_found
from penstock.domain.names import check_asset_name
from penstock.domain.resource import Resource, Status

Registered = Resource[Environment, Status]


def register_environment(resources: Resources, environment: Environment, *, actor: str) -> tuple[Registered, Change]:
    """Register under its version, or under the next number; content equal to the newest version's adds nothing."""
    if environment.name is None:
        raise invalid("the environment has no name: give `name` in the file, or --name")
    name = check_asset_name("environment", environment.name)
    newest = next(iter(list_environments(resources, name)), None)
    version = environment.version
    if version is None:
        if newest is not None and newest.spec.model_copy(update={"version": None}) == environment:
            return newest, Change.UNCHANGED
        version = _next_version(resources, name)
    full = f"{name}:{check_asset_name('version', version)}"
    spec = environment.model_copy(update={"version": version})
    present = resources.find(ENVIRONMENT, full)
    if present is not None and present.spec != spec:
        raise conflict(
            f"environment {full!r} exists with other content, and versions never change: "
            f"register it as version {_next_version(resources, name)!r}"
        )
    return resources.apply(ENVIRONMENT, full, spec, actor=actor)


def find_environment(resources: Resources, name: str, version: str | None) -> Registered:
    """A version, or the newest one. Raises `not_found` that names the remedy."""
    found = [r for r in list_environments(resources, name) if version in (None, r.spec.version)]
    if not found:
        what = name if version is None else f"{name}:{version}"
        raise not_found(
            f"environment {what!r} is not registered; see `penstock environment list`, "
            "or register it with `penstock environment create -f FILE`"
        )
    return found[0]


def list_environments(resources: Resources, name: str | None = None) -> Sequence[Registered]:
    """All versions of one environment or of all, newest first."""
    found = resources.list(ENVIRONMENT, "" if name is None else f"{name}:")
    return sorted(found, key=lambda r: r.created_at, reverse=True)


def _next_version(resources: Resources, name: str) -> str:
    versions = [r.spec.version or "" for r in list_environments(resources, name)]
    numbers = [int(version) for version in versions if version.isdigit()]
    return str(max(numbers, default=0) + 1)

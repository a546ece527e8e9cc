"""Registered environments: named and versioned. What they come to never changes; what is said of them may."""

from collections.abc import Sequence
from datetime import datetime

from penstock.control.resources import Change, Resources
from penstock.domain.environment import ENVIRONMENT, Environment, EnvironmentChange, EnvironmentStatus
from penstock.domain.errors import conflict, invalid, not_found
from penstock.domain.events import Event
from penstock.domain.names import check_asset_name
from penstock.domain.resource import Resource

Registered = Resource[Environment, EnvironmentStatus]

_ATTEMPTS = 20  # each lost one means that somebody else's write went through


def register_environment(resources: Resources, environment: Environment, *, actor: str) -> tuple[Registered, Change]:
    """Register under its version, or under the next number; content equal to the newest version's adds nothing.

    Another description and other tags, if there are any, replace those of a version with the same content.
    """
    if environment.name is None:
        raise invalid("the environment has no name: give `name` in the file, or --name")
    name = check_asset_name("environment", environment.name)
    newest = next(iter(list_environments(resources, name)), None)
    version = environment.version
    if version is None:
        same = newest is not None and _content(newest.spec) == _content(environment)
        version = newest.spec.version or "1" if newest is not None and same else _next_version(resources, name)
    full = f"{name}:{check_asset_name('version', version)}"
    spec = environment.model_copy(update={"version": version})
    present = resources.find(ENVIRONMENT, full)
    if present is not None and _content(present.spec) != _content(spec):
        raise conflict(
            f"environment {full!r} exists with other content, and versions never change: "
            f"register it as version {_next_version(resources, name)!r}"
        )
    if present is not None:
        said = {"description": spec.description, "tags": spec.tags}
        spec = present.spec.model_copy(update={field: value for field, value in said.items() if value})
    return resources.apply(ENVIRONMENT, full, spec, actor=actor)


def find_environment(resources: Resources, name: str, version: str | None) -> Registered:
    """A version, or the newest one that is not archived. Raises `not_found` that names the remedy."""
    found = list_environments(resources, name)
    if version is not None:
        found = [environment for environment in found if environment.spec.version == version]
    what = name if version is None else f"{name}:{version}"
    if not found:
        raise not_found(
            f"environment {what!r} is not registered; see `penstock environment list`, "
            "or register it with `penstock environment create -f FILE`"
        )
    current = [environment for environment in found if version is not None or not environment.status.archived]
    if not current:
        raise not_found(
            f"all versions of environment {name!r} are archived: name one, or run "
            f"`penstock environment restore --name {name} --version VERSION`"
        )
    return current[0]


def list_environments(resources: Resources, name: str | None = None, *, archived: bool = True) -> Sequence[Registered]:
    """All versions of one environment or of all, newest first; without the archived ones if so asked."""
    found = resources.list(ENVIRONMENT, "" if name is None else f"{name}:")
    shown = [environment for environment in found if archived or not environment.status.archived]
    return sorted(shown, key=lambda environment: environment.created_at, reverse=True)


def change_environment(
    resources: Resources, environment: Registered, change: EnvironmentChange, *, actor: str
) -> tuple[Registered, Change]:
    """Say something else of a version."""
    said: dict[str, object] = {}
    if "description" in change.model_fields_set:
        said["description"] = change.description or None
    if "tags" in change.model_fields_set:
        said["tags"] = change.tags or {}
    spec = environment.spec.model_copy(update=said)
    return resources.apply(ENVIRONMENT, environment.name, spec, actor=actor)


def archive_environment(
    resources: Resources, environment: Registered, *, archived: bool, actor: str, now: datetime
) -> Registered:
    """Set or clear the mark that hides a version from lists; it stays deployable."""
    reason, done = ("Archived", "was archived") if archived else ("Restored", "was restored")
    for _ in range(_ATTEMPTS):
        if environment.status.archived is archived:
            return environment
        event = Event(
            at=now,
            kind=ENVIRONMENT.name,
            name=environment.name,
            generation=environment.generation,
            reason=reason,
            message=f"environment {environment.name!r} {done}",
            actor=actor,
        )
        status = environment.status.model_copy(update={"archived": archived})
        written = resources.set_status(ENVIRONMENT, environment, status, event)
        if written is not None:
            return written
        environment = resources.get(ENVIRONMENT, environment.name)
    raise conflict(f"environment {environment.name!r} is being changed by others all the time; try again")


def _content(environment: Environment) -> Environment:
    """What never changes of a version."""
    return environment.model_copy(update={"version": None, "description": None, "tags": {}})


def _next_version(resources: Resources, name: str) -> str:
    versions = [r.spec.version or "" for r in list_environments(resources, name)]
    numbers = [int(version) for version in versions if version.isdigit()]
    return str(max(numbers, default=0) + 1)

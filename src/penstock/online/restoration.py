"""Which edits bring resources back to what they were. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from penstock.control.changes import sentence
from penstock.control.resources import Edit
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.diff import differences
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import conflict
from penstock.domain.resource import AnyKind, AnyResource, Revision
from penstock.online.rollback import ROLLBACK

LASTING = frozenset({ONLINE_ENDPOINT.name, ONLINE_DEPLOYMENT.name})  # new ones do nothing to what was there before


@dataclass(frozen=True)
class Restoration:
    """`awaited` are deployments, ENDPOINT/DEPLOYMENT, without which their endpoints' traffic cannot go back yet."""

    edits: tuple[Edit, ...]
    awaited: tuple[str, ...] = ()


def edits(
    kind: AnyKind, present: Sequence[AnyResource], past: Mapping[str, Revision[Any]], event: int, *, prune: bool
) -> list[Edit]:
    """What brings all resources of a kind back to `past`, which they were at that event; nothing where they are so.

    What has come since is deleted if it acts on what was there before, as contracts do; endpoints and deployments are
    left, and deleted with `prune`. Raises `conflict` while one that is to come back is still being deleted.
    """
    now = {resource.name: resource for resource in present}
    found: list[Edit] = []
    for name, revision in past.items():
        edit = _back(kind, name, now.get(name), revision, event)
        if edit is not None:
            found.append(edit)
    for name, resource in now.items():
        new = name not in past and resource.deleting_since is None
        if new and (prune or kind.name not in LASTING):
            what = ("Deleting", f"{kind.name} {name!r} was created after event {event} and is to be deleted")
            found.append(Edit(kind=kind, name=name, present=resource, spec=None, what=what, action=ROLLBACK))
    return found


def held_back(found: Sequence[Edit], serving: Collection[str]) -> Restoration:
    """The edits without traffic to deployments that do not serve, ENDPOINT/DEPLOYMENT.

    Such an endpoint keeps the shares that it has, and the deployments that they name, until the edits are planned
    again: no caller is sent where nobody answers. One whose present shares are all zero has nothing to lose.
    """
    idle = {edit.name: names for edit in found if (names := _idle(edit, serving))}  # by endpoint
    kept: list[Edit] = []
    for edit in found:
        if edit.kind.name == ONLINE_ENDPOINT.name and edit.name in idle:
            kept += _without_traffic(edit, idle[edit.name])
        elif edit.kind.name != ONLINE_DEPLOYMENT.name or edit.spec or edit.name.partition("/")[0] not in idle:
            kept.append(edit)
    return Restoration(tuple(kept), tuple(name for names in idle.values() for name in names))


def _back(kind: AnyKind, name: str, present: AnyResource | None, revision: Revision[Any], event: int) -> Edit | None:
    spec = revision.spec
    if present is None:
        what = ("RolledBack", f"{kind.name} {name!r} is created again as it was at event {event}")
        return Edit(kind=kind, name=name, present=None, spec=spec, what=what, action=ROLLBACK)
    if present.deleting_since is not None:
        raise conflict(f"{kind.name} {name!r} is being deleted; wait until it is gone, then roll back again")
    changes = differences(present.spec, spec)
    if not changes:
        return None
    what = ("RolledBack", f"as it was at event {event}: {sentence(changes)}")
    return Edit(kind=kind, name=name, present=present, spec=spec, what=what, action=ROLLBACK)


def _idle(edit: Edit, serving: Collection[str]) -> list[str]:
    """The deployments that the edit gives traffic to and that do not serve, if there is traffic to lose by it."""
    if edit.kind.name != ONLINE_ENDPOINT.name or edit.present is None or edit.spec is None:
        return []
    spec, now = cast(OnlineEndpoint, edit.spec), cast(OnlineEndpoint, edit.present.spec)
    named = [f"{edit.name}/{name}" for name, percent in spec.traffic.items() if percent]
    return [name for name in named if name not in serving] if sum(now.traffic.values()) else []


def _without_traffic(edit: Edit, idle: Sequence[str]) -> list[Edit]:
    """The edit with the traffic as it is now; none if that was all."""
    spec, now = cast(OnlineEndpoint, edit.spec), cast(OnlineEndpoint, cast(AnyResource, edit.present).spec)
    kept = spec.model_copy(update={"traffic": now.traffic, "mirror_traffic": now.mirror_traffic})
    message = f"all but its traffic, as {', '.join(idle)} does not serve yet; {edit.what[1]}"
    return [replace(edit, spec=kept, what=(edit.what[0], message))] if differences(now, kept) else []


def previous_spec(
    history: Sequence[Revision[OnlineDeployment]], ready: Collection[int]
) -> Revision[OnlineDeployment] | None:
    """The newest earlier revision that was ready and differs from the present one; None if there is none.

    `history` is newest first, `ready` the generations that were ready.
    """
    for revision in history[1:]:
        if revision.generation in ready and revision.spec != history[0].spec:
            return revision
    return None

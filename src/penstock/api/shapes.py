"""What the API sends."""

from collections.abc import Sequence
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from penstock.control.changes import masked
from penstock.control.resources import Change
from penstock.domain.diff import Difference, differences
from penstock.domain.resource import AnyResource, Frozen, provisioning_state


class Shown(BaseModel):
    """A resource as clients see it. Key hashes stay inside."""

    kind: str
    name: str
    uid: str
    generation: int
    version: int
    spec: dict[str, Any]
    status: dict[str, Any]
    created_at: str
    updated_at: str
    deleting_since: str | None
    provisioning_state: str
    scoring_uri: str | None = None
    openapi_uri: str | None = None


class Items(BaseModel):
    items: list[Shown]


class Changed(BaseModel):
    """Answer to a write: the resource (none if a dry run would create it), what was done, what the user should know."""

    resource: Shown | None
    change: Change
    notices: list[str] = []
    differences: list[dict[str, Any]] = []
    message: str = ""


def shown(resource: AnyResource, gateway_url: str = "") -> Shown:
    """`resource` for clients; with `gateway_url` it is an endpoint and gets its addresses."""
    base = f"{gateway_url}/endpoints/{resource.name}"
    return Shown(
        kind=resource.kind,
        name=resource.name,
        uid=resource.uid,
        generation=resource.generation,
        version=resource.version,
        spec=resource.spec.model_dump(mode="json"),
        status=resource.status.model_dump(mode="json", exclude={"keys"}),
        created_at=resource.created_at.isoformat(),
        updated_at=resource.updated_at.isoformat(),
        deleting_since=resource.deleting_since.isoformat() if resource.deleting_since else None,
        provisioning_state=provisioning_state(resource),
        scoring_uri=f"{base}/score" if gateway_url else None,
        openapi_uri=f"{base}/swagger.json" if gateway_url else None,
    )


def items(resources: Sequence[AnyResource], gateway_url: str = "") -> Items:
    return Items(items=[shown(resource, gateway_url) for resource in resources])


def previewed(
    before: AnyResource | None, wanted: Frozen, notices: Sequence[str] = (), gateway_url: str = ""
) -> Changed:
    """Answer to a dry run."""
    rows = difference_rows(before.spec if before else None, wanted)
    change = Change.CREATED if before is None else Change.UPDATED if rows else Change.UNCHANGED
    resource = shown(before, gateway_url) if before else None
    return Changed(resource=resource, change=change, notices=list(notices), differences=rows)


def changed(
    before: AnyResource | None,
    after: AnyResource,
    change: Change,
    notices: Sequence[str] = (),
    gateway_url: str = "",
) -> Changed:
    """Answer to a write."""
    rows = difference_rows(before.spec if before else None, after.spec)
    return Changed(resource=shown(after, gateway_url), change=change, notices=list(notices), differences=rows)


def deleted(resource: AnyResource | None, gateway_url: str = "") -> Response | dict[str, Any]:
    """Answer to a deletion: the resource that goes, or 204 without content if there is none."""
    if resource is None:
        return Response(status_code=204)
    return {"resource": shown(resource, gateway_url).model_dump()}


def difference_rows(old: Frozen | None, new: Frozen) -> list[dict[str, Any]]:
    """What a write would change, secrets hidden; for a new resource that is everything that is set."""
    if old is None:
        fields = new.model_dump(mode="json", exclude_defaults=True)
        found: Sequence[Difference] = [Difference(path, None, value) for path, value in sorted(fields.items())]
    else:
        found = differences(old, new)
    rows = [(d.path, d.path.rpartition(".")[2], d) for d in found]
    return [{"path": path, "old": masked(name, d.old), "new": masked(name, d.new)} for path, name, d in rows]

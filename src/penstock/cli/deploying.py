"""Bringing a deployment to serve: its names, the wait with its remedies, and the traffic after it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from penstock.cli.documents import Document
from penstock.cli.errors import NEXT, notice
from penstock.cli.progress import Progress
from penstock.domain.errors import Code, PenstockError, invalid
from penstock.domain.samples import SKIP_PROPERTY

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.resources import AppliedDeployment, Deployment

_TRIES = 5  # at a traffic that others are changing


def check_named(document: Document) -> tuple[str, str]:
    """The names of deployment and endpoint; raises `invalid` saying where to give the one that is missing."""
    name, endpoint = document.text("name"), document.text("endpoint_name")
    if name is None:
        raise invalid(f"{document.source}: the deployment has no name: give `name` in the file, or --name")
    if endpoint is None:
        raise invalid(f"{document.source}: give `endpoint_name` in the file, or --endpoint-name")
    return name, endpoint


def ready(client: "Client", applied: "AppliedDeployment", progress: Progress) -> "Deployment":
    """The deployment once it serves; its failure comes with the command that says more."""
    resource = applied.resource
    try:
        return client.wait(resource.kind, resource.name, resource.generation, on_progress=progress)
    except PenstockError as err:
        if err.code is Code.FAILED:
            endpoint, _, name = resource.name.partition("/")
            err.details.setdefault(NEXT, f"penstock online-deployment get-logs -n {name} -e {endpoint}")
        raise


def give_all_traffic(client: "Client", endpoint: str, deployment: str) -> None:
    """All live traffic of `endpoint` to `deployment`; a mirror to it ends."""
    for left in reversed(range(_TRIES)):
        present = client.online_endpoints.get(endpoint)
        mirror = {name: percent for name, percent in present.spec.mirror_traffic.items() if name != deployment}
        spec = present.spec.model_copy(update={"traffic": {deployment: 100}, "mirror_traffic": mirror})
        try:
            applied = client.online_endpoints.create_or_update(spec, if_match=present.generation)
        except PenstockError as err:
            if err.code is Code.CONFLICT and left:
                continue
            raise
        resource = applied.resource
        client.wait(resource.kind, resource.name, resource.generation)
        notice(f"endpoint {endpoint!r} sends all traffic to {deployment!r}")
        return


def unvalidated(document: Document) -> Document:
    """The document of a deployment that is not tried before it is used (`--skip-script-validation`)."""
    properties: object = document.fields.get("properties") or {}
    if not isinstance(properties, Mapping):
        return document  # it is refused for that
    return document.with_fields(properties={**cast(Mapping[str, Any], properties), SKIP_PROPERTY: "true"})

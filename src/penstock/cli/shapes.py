"""Results as `az ml` shapes them: the spec's fields at the top, what the platform knows beside them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from penstock.cli.show import table

if TYPE_CHECKING:
    from penstock.client.resources import (
        AnyRemote,
        Deployment,
        Endpoint,
        Preview,
        RemoteAutoscale,
        RemoteContract,
        RemoteDatastore,
        RemoteWebhook,
    )
    from penstock.domain.model import ModelVersion

ENDPOINTS = table("name", "provisioning_state", "traffic", "mirror_traffic", "scoring_uri")
DEPLOYMENTS = table(
    "name", "endpoint_name", "provisioning_state", "ready_instances", "instance_count", "scaled_instances", "reason"
)
SERVINGS = table("version", "endpoint", "deployment", "traffic", "mirror_traffic", "state", "ready_instances")
CONTRACTS = table("name", "endpoint_name", "deployment_name", "mode", "provisioning_state", "deployments", "reason")
WEBHOOKS = table("name", "url", "enabled", "reason", "delivered", "waiting", "dead")
AUTOSCALES = table("name", "min", "max", "instances", "wanted", "profile", "reason", "limit")
DATA = table("name", "version", "type", "path", "archived", "created_at", "description")
DATASTORES = table("name", "type", "account_name", "container", "endpoint", "path", "credential_type", "description")
ENVIRONMENTS = table("name", "version", "image", "archived", "created_at", "description")


def endpoint(resource: "Endpoint") -> dict[str, Any]:
    return {
        "name": resource.name,
        **spec_fields(resource),
        "provisioning_state": resource.provisioning_state,
        "scoring_uri": resource.scoring_uri,
        "openapi_uri": resource.openapi_uri,
        **marks(resource),
    }


def deployment(resource: "Deployment") -> dict[str, Any]:
    owner, _, name = resource.name.partition("/")
    ready = resource.status.condition("Ready")
    return {
        "name": name,
        **spec_fields(resource),
        "endpoint_name": owner,
        "provisioning_state": resource.provisioning_state,
        "reason": ready.reason if ready else None,
        "ready_instances": resource.status.ready_instances,
        "scaled_instances": resource.status.scaled_instances,
        "limit": resource.status.limit or None,
        "instance_memory_bytes": resource.status.instance_memory_bytes,
        "cold_start_seconds": resource.status.cold_start_seconds,
        "revision": resource.status.revision,
        "failure": resource.status.failure,
        **marks(resource),
    }


def contract(resource: "RemoteContract") -> dict[str, Any]:
    ready = resource.status.condition("Ready")
    return {
        "name": resource.name,
        **spec_fields(resource),
        "provisioning_state": resource.provisioning_state,
        "reason": ready.reason if ready else None,
        "deployments": list(resource.status.deployments),
        **marks(resource),
    }


def webhook(resource: "RemoteWebhook") -> dict[str, Any]:
    """`waiting` is what was tried in vain for the event that is next."""
    status, ready = resource.status, resource.status.condition("Ready")
    return {
        "name": resource.name,
        **spec_fields(resource),
        "provisioning_state": resource.provisioning_state,
        "reason": ready.reason if ready else None,
        "delivered": status.delivered,
        "position": status.position,
        "waiting": status.attempts.error if status.attempts else None,
        "dead": len(status.dead),
        **marks(resource),
    }


def autoscale(resource: "RemoteAutoscale") -> dict[str, Any]:
    """`name` is that of the deployment, whatever Azure's setting is called."""
    told = resource.status.model_dump(mode="json", exclude={"conditions", "observed_generation", "target"})
    return {
        "name": resource.name,
        **spec_fields(resource),
        "setting_name": resource.spec.name,
        "provisioning_state": resource.provisioning_state,
        **told,
        **marks(resource),
    }


def asset(resource: "AnyRemote") -> dict[str, Any]:
    """A version of an environment or of data."""
    name, _, version = resource.name.rpartition(":")
    return {
        **spec_fields(resource),
        "name": name,
        "version": version,
        "archived": resource.status.archived,
        "created_at": resource.created_at.isoformat(),
    }


def datastore(resource: "RemoteDatastore") -> dict[str, Any]:
    """`container` is its bucket, container or file system."""
    return {
        "name": resource.name,
        **spec_fields(resource),
        "container": resource.spec.container or None,
        "provisioning_state": resource.provisioning_state,
        **marks(resource),
    }


def model(version: "ModelVersion") -> dict[str, Any]:
    return version.model_dump(mode="json")


def models_text(data: Any) -> str:
    """Versions as a table, in a line each."""
    columns = table("name", "version", "type", "stage", "aliases", "archived", "created_at", "description")
    versions = cast(list[Any], data) if isinstance(data, list) else [data]
    return columns([_short(version) for version in versions])


def model_text(data: Any) -> str:
    """A version with all that is known of it, in a line each."""
    fields = {name: value for name, value in _short(data).items() if value not in (None, "", {}, [])}
    return table("field", "value")([{"field": name, "value": value} for name, value in fields.items()])


def difference_lines(preview: "Preview") -> list[dict[str, Any]]:
    return [change.model_dump(mode="json") for change in preview.differences]


def logs_text(logs: list[dict[str, str]]) -> str:
    """Logs one below the other, each under its name if there are several."""
    if len(logs) == 1:
        return logs[0]["text"].rstrip("\n")
    return "\n\n".join(f"==> {log['name']} <==\n{log['text'].rstrip()}" for log in logs)


def _short(version: Mapping[str, Any]) -> dict[str, Any]:
    """A version whose lists are words: of flavors their names, of lineage what is known."""
    lineage = {name: value for name, value in version["lineage"].items() if value}
    if "data" in lineage:
        lineage["data"] = ",".join(f"{use['name']}@{use['digest'] or '?'}" for use in lineage["data"])
    words = {"aliases": " ".join(version["aliases"]), "flavors": " ".join(version["flavors"])}
    return {**version, **words, "lineage": lineage, "created_at": version["created_at"][:19]}


def spec_fields(resource: "AnyRemote") -> dict[str, Any]:
    """The spec without what is not set; its name is the resource's."""
    fields: dict[str, Any] = resource.spec.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in fields.items() if name != "name"}


def marks(resource: "AnyRemote") -> dict[str, Any]:
    return {
        "generation": resource.generation,
        "conditions": [condition.model_dump(mode="json") for condition in resource.status.conditions],
        "created_at": resource.created_at.isoformat(),
        "updated_at": resource.updated_at.isoformat(),
    }

"""What MLflow's callers do with endpoints, in their words."""

from typing import Any

from penstock.client.client import Client
from penstock.client.resources import Endpoint
from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.errors import conflict
from penstock.domain.fields import parse
from penstock.mlflow_deployments.config import endpoint_config, merged
from penstock.mlflow_deployments.deployments import Config


class Endpoints:
    """The endpoints of one platform. All calls return once what they ask for is so."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, name: str, config: Config) -> dict[str, Any]:
        """Raises `conflict` if the endpoint exists."""
        if self._client.online_endpoints.find(name) is not None:
            raise conflict(f"endpoint {name!r} exists: update it, or delete it first")
        return self._apply(name, endpoint_config(config), if_match=0)

    def update(self, name: str, config: Config) -> dict[str, Any]:
        """Change what the config names. Traffic is given whole: deployments that it does not name get none."""
        present = self._client.online_endpoints.get(name)
        changes = endpoint_config(config)
        whole = {key: changes.pop(key) for key in ("traffic", "mirror_traffic") if key in changes}
        fields = {**merged(present.spec.model_dump(mode="json", exclude_none=True), changes), **whole}
        return self._apply(name, fields, if_match=present.generation)

    def delete(self, name: str) -> None:
        """Delete the endpoint with its deployments; fine if there is none."""
        gone = self._client.online_endpoints.delete(name)
        if gone is not None:
            self._client.wait_gone(gone)

    def get(self, name: str) -> dict[str, Any]:
        return _shown(self._client.online_endpoints.get(name))

    def list(self) -> list[dict[str, Any]]:
        return [_shown(endpoint) for endpoint in self._client.online_endpoints.list()]

    def _apply(self, name: str, fields: dict[str, Any], *, if_match: int) -> dict[str, Any]:
        spec = parse(OnlineEndpoint, {**fields, "name": name}, f"endpoint {name!r}")
        applied = self._client.online_endpoints.create_or_update(spec, if_match=if_match)
        resource = applied.resource
        self._client.wait(resource.kind, resource.name, resource.generation)
        return self.get(name)


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "state": endpoint.provisioning_state,
        "description": endpoint.spec.description or "",
        "traffic": dict(endpoint.spec.traffic),
        "mirror_traffic": dict(endpoint.spec.mirror_traffic),
        "tags": dict(endpoint.spec.tags),
        "scoring_uri": endpoint.scoring_uri,
    }

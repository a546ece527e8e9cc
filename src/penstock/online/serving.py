"""Where each version of a model serves. Pure but for reading the resources."""

from collections.abc import Sequence

from penstock.control.resources import Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.model import Serving
from penstock.domain.names import parse_asset_reference
from penstock.domain.resource import provisioning_state


def serving(resources: Resources, model: str) -> Sequence[Serving]:
    """Deployments of the registered model `model`, by version, endpoint and name."""
    endpoints = {endpoint.name: endpoint.spec for endpoint in resources.list(ONLINE_ENDPOINT)}
    found: list[Serving] = []
    for deployment in resources.list(ONLINE_DEPLOYMENT):
        if not isinstance(deployment.spec.model, str):
            continue
        reference = parse_asset_reference("model", deployment.spec.model)
        if reference.name != model:
            continue
        endpoint, _, name = deployment.name.partition("/")
        spec = endpoints.get(endpoint)
        found.append(
            Serving(
                endpoint=endpoint,
                deployment=name,
                version=reference.version or "latest",
                traffic=spec.traffic.get(name, 0) if spec is not None else 0,
                mirror_traffic=spec.mirror_traffic.get(name, 0) if spec is not None else 0,
                state=provisioning_state(deployment),
                ready_instances=deployment.status.ready_instances,
            )
        )
    return sorted(found, key=lambda s: (s.version, s.endpoint, s.deployment))

"""What a deployment, online or batch, owes to the endpoint that it belongs to: its names, and room for it there."""

from typing import TypeVar

from penstock.control.resources import Resources
from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.errors import conflict, invalid, not_found
from penstock.domain.names import check_name
from penstock.domain.resource import AnyKind

DeploymentT = TypeVar("DeploymentT", OnlineDeployment, BatchDeployment)

MOST_DEPLOYMENTS = 20  # of an endpoint; Azure's limit


def named(endpoint: str, name: str, spec: DeploymentT) -> DeploymentT:
    """`spec` under its names. Raises `invalid` for bad names."""
    check_name("endpoint", endpoint)
    check_name("deployment", name)
    for field, said, meant in (("name", spec.name, name), ("endpoint_name", spec.endpoint_name, endpoint)):
        if said not in (None, meant):
            raise invalid(f"deployment {name!r}: the file says {field}: {said!r}, the command says {meant!r}")
    return spec.model_copy(update={"name": name, "endpoint_name": endpoint})


def check_room(resources: Resources, kinds: tuple[AnyKind, AnyKind], endpoint: str, name: str) -> None:
    """Whether the endpoint can have this deployment; `kinds` are those of endpoint and deployment.

    Raises `not_found` for an endpoint that does not exist, `conflict` for one that is being deleted or is full.
    """
    of_endpoint, of_deployment = kinds
    what = f"{'endpoint' if of_endpoint is ONLINE_ENDPOINT else 'batch endpoint'} {endpoint!r}"
    parent = resources.find(of_endpoint, endpoint)
    if parent is None:
        raise not_found(
            f"deployment {name!r}: {what} does not exist; "
            f"create it with `penstock {of_endpoint.name} create --name {endpoint}`"
        )
    if parent.deleting_since is not None:
        raise conflict(f"deployment {name!r}: {what} is being deleted")
    siblings = {deployment.name for deployment in resources.list(of_deployment, f"{endpoint}/")}
    if len(siblings | {f"{endpoint}/{name}"}) > MOST_DEPLOYMENTS:
        raise conflict(f"{what} has {MOST_DEPLOYMENTS} deployments already: delete one first")

"""What users do with contracts."""

from penstock.control.resources import Change, Resources
from penstock.domain.contract import CONTRACT, Contract, ContractStatus
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.errors import invalid, not_found
from penstock.domain.names import check_name
from penstock.domain.resource import Resource


class Contracts:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def named(self, name: str, spec: Contract) -> Contract:
        """`spec` under its name. Raises `invalid` for bad names, and where it does not say whom it concerns."""
        check_name("contract", name)
        if spec.name not in (None, name):
            raise invalid(f"contract {name!r}: the file says name: {spec.name!r}; the two must be the same")
        if spec.endpoint_name is None:
            raise invalid(f"contract {name!r}: give endpoint_name, and deployment_name if it is for one deployment")
        check_name("endpoint", spec.endpoint_name)
        if spec.deployment_name is not None:
            check_name("deployment", spec.deployment_name)
        return spec.model_copy(update={"name": name})

    def apply(
        self, name: str, spec: Contract, *, actor: str, generation: int | None = None
    ) -> tuple[Resource[Contract, ContractStatus], Change]:
        """Create or change a contract. Raises as `named`, and `not_found` for an endpoint that does not exist."""
        spec = self.named(name, spec)
        if self._resources.find(ONLINE_ENDPOINT, str(spec.endpoint_name)) is None:
            raise not_found(
                f"contract {name!r}: endpoint {spec.endpoint_name!r} does not exist; "
                f"create it with `penstock online-endpoint create --name {spec.endpoint_name}`"
            )
        return self._resources.apply(CONTRACT, name, spec, actor=actor, generation=generation)

    def delete(self, name: str, *, actor: str) -> Resource[Contract, ContractStatus] | None:
        """Begin to delete a contract; None if there is none."""
        return self._resources.delete(CONTRACT, name, actor=actor)

"""Makes a contract so: hands it to the deployments that it holds for, and says who they are and what is wrong."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from penstock.control.clock import Clock
from penstock.control.resources import Resources
from penstock.domain.contract import CONTRACT, Contract, ContractStatus
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.errors import PenstockError
from penstock.domain.fields import nearest
from penstock.domain.resource import Condition, Key, Resource, Truth, with_condition
from penstock.online.contract_files import ContractFiles
from penstock.preparation.preparation import Preparation
from penstock_worker.data_contract import contract_of

_SOON = timedelta(milliseconds=100)
_RESYNC = timedelta(seconds=10)  # deployments come and go, and what a reboot empties is filled again
_SHOWN = 5

Deployment = Resource[OnlineDeployment, OnlineDeploymentStatus]


class ContractReconciler:
    def __init__(self, resources: Resources, files: ContractFiles, preparation: Preparation, clock: Clock) -> None:
        self._resources = resources
        self._files = files
        self._preparation = preparation
        self._clock = clock

    def reconcile(self, key: Key) -> timedelta | None:
        self._files.deliver_all()
        contract = self._resources.find(CONTRACT, key.name)
        if contract is None:
            return None
        if contract.deleting_since is not None:
            self._resources.remove(CONTRACT, contract)
            return None
        spec = contract.spec
        followers = [d for d in self._resources.list(ONLINE_DEPLOYMENT, f"{spec.endpoint_name}/") if _follows(spec, d)]
        truth, reason, message = verdict(spec, {d.name.partition("/")[2]: self._columns(d) for d in followers})
        ready = Condition(name="Ready", truth=truth, reason=reason, message=message, since=self._clock.now())
        status = ContractStatus(
            observed_generation=contract.generation,
            conditions=with_condition(contract.status.conditions, ready),
            deployments=tuple(d.name.partition("/")[2] for d in followers),
        )
        if status != contract.status and self._resources.set_status(CONTRACT, contract, status) is None:
            return _SOON
        return _RESYNC

    def _columns(self, deployment: Deployment) -> Collection[str]:
        """The columns of the model's signature; none if that is not known, or has no names."""
        try:
            return self._preparation.columns(deployment.name, deployment.spec)
        except PenstockError:
            return ()


def verdict(spec: Contract, followers: dict[str, Collection[str]]) -> tuple[Truth, str, str]:
    """Truth, reason and message of Ready. `followers` are deployments with the columns of their models' signatures."""
    strays = [sentence for name, columns in followers.items() if columns for sentence in _strays(spec, name, columns)]
    if strays:
        more = f" (and {len(strays) - _SHOWN} more)" if len(strays) > _SHOWN else ""
        return Truth.FALSE, "UnknownColumn", "; ".join(strays[:_SHOWN]) + more
    if not followers:
        wanted = "no deployment" if spec.deployment_name is None else f"no deployment {spec.deployment_name!r}"
        return Truth.TRUE, "NobodyFollows", f"endpoint {spec.endpoint_name!r} has {wanted} yet"
    return Truth.TRUE, "InForce", f"{', '.join(sorted(followers))}: instances take it up within a second or two"


def _strays(spec: Contract, deployment: str, columns: Collection[str]) -> Sequence[str]:
    """Columns that the contract speaks of and the model's signature does not have."""
    ready = contract_of(spec.document())
    named = [column.name for column in ready.columns]
    named += [name for rule in ready.rules for name in rule.expression.names]
    sentences: list[str] = []
    for name in dict.fromkeys(named):
        if name not in columns:
            near = nearest(name, columns)
            hint = f" (did you mean {near!r}?)" if near else ""
            sentences.append(f"column {name!r} is not in the signature of {deployment}'s model{hint}")
    return sentences


def _follows(spec: Contract, deployment: Deployment) -> bool:
    return deployment.deleting_since is None and spec.holds_for(*deployment.name.split("/"))

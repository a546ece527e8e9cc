"""What the controller looks at: the keys that a change concerns, and all there are when it begins to lead."""

from collections.abc import Iterable

from penstock.control.controller import Controller
from penstock.control.resources import Resources
from penstock.domain.autoscale import AUTOSCALE
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT
from penstock.domain.batch_endpoint import BATCH_ENDPOINT
from penstock.domain.compute import COMPUTE
from penstock.domain.contract import CONTRACT
from penstock.domain.datastore import DATASTORE
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.instance import parse_instance_name
from penstock.domain.job import JOB
from penstock.domain.resource import AnyKind, Key
from penstock.domain.rollout import ROLLOUT
from penstock.domain.webhook import WEBHOOK
from penstock.engines.base import Engine

_KINDS: tuple[AnyKind, ...] = (  # with a reconciler
    ONLINE_ENDPOINT,
    ONLINE_DEPLOYMENT,
    CONTRACT,
    ROLLOUT,
    WEBHOOK,
    COMPUTE,
    DATASTORE,
    BATCH_ENDPOINT,
    BATCH_DEPLOYMENT,
    JOB,
)


def enqueue(controller: Controller, key: Key) -> None:
    """A deployment's autoscale comes and goes with it."""
    controller.enqueue(key)
    if key.kind == ONLINE_DEPLOYMENT.name:
        controller.enqueue(Key(AUTOSCALE.name, key.name))


def all_keys(resources: Resources, engine: Engine) -> Iterable[Key]:
    """Everything that may need work: all resources, and the deployments of all processes that are found."""
    for resource in (r for kind in _KINDS for r in resources.list(kind)):
        yield resource.key
    for scaled in (*resources.list(AUTOSCALE), *resources.list(ONLINE_DEPLOYMENT)):
        yield Key(AUTOSCALE.name, scaled.name)
    for process in engine.inspect():
        if process.name.startswith("job."):
            yield Key(JOB.name, process.name.removeprefix("job.").rpartition(".")[0])
        name = parse_instance_name(process.name)
        if name is not None:
            yield Key(ONLINE_DEPLOYMENT.name, f"{name.endpoint}/{name.deployment}")

"""What users do with batch deployments."""

from collections.abc import Sequence

from penstock.batch.activity import check_idle
from penstock.batch.parts import check_scores, parts_of
from penstock.control.resources import Change, Edit, Resources
from penstock.domain.batch_deployment import (
    BATCH_DEPLOYMENT,
    BatchDeployment,
    BatchDeploymentStatus,
    ignored_fields,
)
from penstock.domain.batch_endpoint import BATCH_ENDPOINT, BatchDefaults, BatchEndpoint, BatchEndpointStatus
from penstock.domain.compute import COMPUTE, LOCAL, compute_name
from penstock.domain.errors import Code, PenstockError, conflict, not_found
from penstock.domain.resource import Resource, provisioning_state
from penstock.preparation.membership import check_room, named
from penstock.preparation.preparation import Preparation

Deployment = Resource[BatchDeployment, BatchDeploymentStatus]


class BatchDeployments:
    def __init__(self, resources: Resources, preparation: Preparation) -> None:
        self._resources = resources
        self._preparation = preparation

    def preview(self, endpoint: str, name: str, spec: BatchDeployment) -> BatchDeployment:
        """`spec` as it would be stored, as far as that can be told before everything it names is there."""
        spec = named(endpoint, name, spec)
        try:
            return self._pinned(spec)
        except PenstockError:
            return spec

    def check(self, endpoint: str, name: str, spec: BatchDeployment) -> BatchDeployment:
        """`spec` as it is stored: names filled in, `@latest` replaced by versions.

        Raises `invalid`, `not_found` or `conflict` for everything that can be seen without running the model.
        """
        spec = named(endpoint, name, spec)
        check_room(self._resources, (BATCH_ENDPOINT, BATCH_DEPLOYMENT), endpoint, name)
        check_compute(self._resources, f"deployment {name!r}", spec.compute)
        spec = self._pinned(spec)
        parts = parts_of(spec)
        try:
            check_scores(f"{endpoint}/{name}", self._preparation.ingredients(f"{endpoint}/{name}", parts))
            self._preparation.advice(f"{endpoint}/{name}", parts)
        except PenstockError as err:
            # The controller waits for what is on its way, and says what this machine lacks.
            if err.code not in (Code.UNAVAILABLE, Code.FAILED):
                raise
        return spec

    def notices(self, spec: BatchDeployment) -> Sequence[str]:
        """Sentences about what has no effect in a stored spec, and about what may keep its model from working."""
        fields = ignored_fields(spec)
        told = [f"ignored, as it has no effect here: {', '.join(fields)}"] if fields else []
        compute = self._resources.find(COMPUTE, compute_name(spec.compute))
        if compute is not None and spec.settings.instance_count > compute.spec.max_instances:
            told.append(
                f"instance_count is {spec.settings.instance_count}, of which jobs get at most "
                f"{compute.spec.max_instances}: more are not in compute {compute.name!r}"
            )
        try:
            return [*told, *self._preparation.advice(f"{spec.endpoint_name}/{spec.name}", parts_of(spec))]
        except PenstockError:  # it is told by the conditions
            return told

    def apply(
        self, endpoint: str, name: str, spec: BatchDeployment, *, actor: str, generation: int | None = None
    ) -> tuple[Deployment, Change]:
        """Create or change a deployment; applying a failed one again tries it again. Jobs keep what they began with."""
        spec = self.check(endpoint, name, spec)
        full = f"{endpoint}/{name}"
        deployment, change = self._resources.apply(BATCH_DEPLOYMENT, full, spec, actor=actor, generation=generation)
        if change is Change.UNCHANGED and provisioning_state(deployment) == "Failed":
            return self._retried(deployment), Change.UPDATED
        return deployment, change

    def set_default(self, endpoint: str, name: str, *, actor: str) -> Change:
        """Have the endpoint's jobs that name no deployment run with this one. Raises `not_found`."""
        self._resources.get(BATCH_DEPLOYMENT, f"{endpoint}/{name}")
        parent = self._resources.get(BATCH_ENDPOINT, endpoint)
        event = ("DefaultChanged", f"default deployment {parent.spec.defaults.deployment_name or 'none'} -> {name}")
        spec = parent.spec.model_copy(update={"defaults": BatchDefaults(deployment_name=name)})
        _, change = self._resources.apply(
            BATCH_ENDPOINT, endpoint, spec, actor=actor, generation=parent.generation, event=event
        )
        return change

    def delete(self, endpoint: str, name: str, *, actor: str) -> Deployment | None:
        """Begin to delete a deployment; None if there is none. Its jobs and what they wrote stay.

        Raises `conflict` while one of its jobs is not over, and for the default deployment while there are others.
        """
        full = f"{endpoint}/{name}"
        present = self._resources.find(BATCH_DEPLOYMENT, full)
        if present is None or present.deleting_since is not None:
            return self._resources.delete(BATCH_DEPLOYMENT, full, actor=actor)
        check_idle(
            self._resources,
            f"deployment {name!r} of batch endpoint {endpoint!r}",
            lambda job: (job.endpoint_name, job.deployment_name) == (endpoint, name),
        )
        parent = self._resources.find(BATCH_ENDPOINT, endpoint)
        if parent is None or parent.deleting_since is not None or parent.spec.defaults.deployment_name != name:
            return self._resources.delete(BATCH_DEPLOYMENT, full, actor=actor)
        others = [d.name.partition("/")[2] for d in self._resources.list(BATCH_DEPLOYMENT, f"{endpoint}/")]
        others = [other for other in others if other != name]
        if others:
            raise conflict(
                f"deployment {name!r} is the default of batch endpoint {endpoint!r}: first run `penstock "
                f"batch-endpoint update --name {endpoint} --set defaults.deployment_name={others[0]}`"
            )
        self._delete_last(parent, present, actor)
        return self._resources.find(BATCH_DEPLOYMENT, full) or present

    def _delete_last(self, parent: Resource[BatchEndpoint, BatchEndpointStatus], last: Deployment, actor: str) -> None:
        """An endpoint never has a default that does not exist."""
        name = last.name.partition("/")[2]
        spec = parent.spec.model_copy(update={"defaults": BatchDefaults()})
        changed = ("DefaultChanged", f"default deployment {name} -> none")
        going = ("Deleting", f"{BATCH_DEPLOYMENT.name} {last.name!r} is to be deleted")
        self._resources.apply_all(
            (
                Edit(kind=BATCH_ENDPOINT, name=parent.name, present=parent, spec=spec, what=changed, action="update"),
                Edit(kind=BATCH_DEPLOYMENT, name=last.name, present=last, spec=None, what=going, action="delete"),
            ),
            actor=actor,
        )

    def _pinned(self, spec: BatchDeployment) -> BatchDeployment:
        pinned = self._preparation.pinned(parts_of(spec))
        return spec.model_copy(update={"model": pinned.model, "environment": pinned.environment})

    def _retried(self, deployment: Deployment) -> Deployment:
        """Forget the failure, so that the controller starts afresh."""
        status = deployment.status.model_copy(update={"failure": None, "conditions": (), "observed_generation": 0})
        stored = self._resources.set_status(BATCH_DEPLOYMENT, deployment, status)
        self._resources.enqueue(deployment.key)
        return stored if stored is not None else self._resources.get(BATCH_DEPLOYMENT, deployment.name)


def check_compute(resources: Resources, what: str, text: str | None) -> None:
    """Raises `not_found` for a compute that does not exist, and `conflict` for one that is being deleted."""
    name = compute_name(text)
    if name == LOCAL:
        return
    found = resources.find(COMPUTE, name)
    if found is None:
        raise not_found(
            f"{what}: compute {name!r} does not exist; create it with "
            f"`penstock compute create --name {name} --max-instances 2`, or leave `compute` out"
        )
    if found.deleting_since is not None:
        raise conflict(f"{what}: compute {name!r} is being deleted")

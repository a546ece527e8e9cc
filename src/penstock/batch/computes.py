"""What users do with computes."""

from collections.abc import Sequence

from penstock.control.resources import Change, Resources
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT
from penstock.domain.compute import COMPUTE, LOCAL, Compute, ComputeStatus, compute_name, ignored_fields
from penstock.domain.errors import conflict, invalid
from penstock.domain.job import JOB, ended
from penstock.domain.names import check_name
from penstock.domain.resource import Resource

ComputeResource = Resource[Compute, ComputeStatus]


class Computes:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def named(self, name: str, spec: Compute) -> Compute:
        """`spec` under its name. Raises `invalid` for bad names."""
        check_name("compute", name)
        if name.lower() == LOCAL:
            raise invalid(f"compute name {name!r} is that of the whole machine: choose another one")
        if spec.name not in (None, name):
            raise invalid(f"compute {name!r}: the file says name: {spec.name!r}; the two must be the same")
        return spec.model_copy(update={"name": name})

    def apply(
        self, name: str, spec: Compute, *, actor: str, generation: int | None = None
    ) -> tuple[ComputeResource, Change]:
        """Create or change a compute; jobs that run are given more or fewer workers at once. Raises as `named`."""
        return self._resources.apply(COMPUTE, name, self.named(name, spec), actor=actor, generation=generation)

    def delete(self, name: str, *, actor: str) -> ComputeResource | None:
        """Begin to delete a compute; None if there is none. Raises `conflict` while deployments or jobs use it."""
        deployments = [
            d.name
            for d in self._resources.list(BATCH_DEPLOYMENT)
            if d.deleting_since is None and compute_name(d.spec.compute) == name
        ]
        if deployments:
            raise conflict(
                f"compute {name!r} is used by deployment {', '.join(deployments)}: delete it, or give it another "
                "compute, first"
            )
        jobs = [
            j.name
            for j in self._resources.list(JOB)
            if not ended(j.spec, j.status) and compute_name(j.spec.deployment.compute) == name
        ]
        if jobs:
            raise conflict(
                f"compute {name!r} is used by job {', '.join(jobs)}: wait for it, or `penstock job cancel -n {jobs[0]}`"
            )
        return self._resources.delete(COMPUTE, name, actor=actor)


def notices(spec: Compute) -> Sequence[str]:
    """Sentences about what has no effect, and about what is probably not meant."""
    fields = ignored_fields(spec)
    told = [f"ignored, as it has no meaning on your own machines: {', '.join(fields)}"] if fields else []
    if spec.max_instances == 0:
        told.append("max_instances is 0: jobs on this compute wait until it is raised")
    return told

"""What users do with batch endpoints."""

from collections.abc import Sequence

from penstock.batch.activity import check_idle
from penstock.control.resources import Change, Resources
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT
from penstock.domain.batch_endpoint import BATCH_ENDPOINT, BatchEndpoint, BatchEndpointStatus, ignored_fields
from penstock.domain.errors import invalid
from penstock.domain.names import check_name
from penstock.domain.resource import Resource

Endpoint = Resource[BatchEndpoint, BatchEndpointStatus]


class BatchEndpoints:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def named(self, name: str, spec: BatchEndpoint) -> BatchEndpoint:
        """`spec` under its name. Raises `invalid` for bad names."""
        check_name("endpoint", name)
        if spec.name not in (None, name):
            raise invalid(f"batch endpoint {name!r}: the file says name: {spec.name!r}; the two must be the same")
        return spec.model_copy(update={"name": name})

    def apply(
        self, name: str, spec: BatchEndpoint, *, actor: str, generation: int | None = None
    ) -> tuple[Endpoint, Change]:
        """Create or change an endpoint.

        Raises `invalid` for bad names and for a default deployment that does not exist, and `conflict` if
        `generation` is not the present one.
        """
        spec = self.named(name, spec)
        self._check_default(name, spec)
        before = self._resources.find(BATCH_ENDPOINT, name)
        event = None
        old = before.spec.defaults.deployment_name if before else None
        new = spec.defaults.deployment_name
        if before is not None and old != new:
            event = ("DefaultChanged", f"default deployment {old or 'none'} -> {new or 'none'}")
        return self._resources.apply(BATCH_ENDPOINT, name, spec, actor=actor, generation=generation, event=event)

    def delete(self, name: str, *, actor: str) -> Endpoint | None:
        """Begin to delete an endpoint and its deployments; None if there is none. Its jobs and what they wrote stay.

        Raises `conflict` while one of its jobs is not over.
        """
        present = self._resources.find(BATCH_ENDPOINT, name)
        if present is not None and present.deleting_since is None:
            check_idle(self._resources, f"batch endpoint {name!r}", lambda job: job.endpoint_name == name)
        return self._resources.delete(BATCH_ENDPOINT, name, actor=actor)

    def _check_default(self, name: str, spec: BatchEndpoint) -> None:
        default = spec.defaults.deployment_name
        deployments = self._resources.list(BATCH_DEPLOYMENT, f"{name}/")
        present = {d.name.partition("/")[2] for d in deployments if d.deleting_since is None}
        if default is not None and default not in present:
            raise invalid(
                f"batch endpoint {name!r}: defaults.deployment_name is {default!r}, which does not exist"
                + (f" (there are: {', '.join(sorted(present))})" if present else "")
                + "; create it first, or give both files to `penstock apply`"
            )


def notices(spec: BatchEndpoint) -> Sequence[str]:
    """Sentences about fields that have no effect."""
    fields = ignored_fields(spec)
    return [f"ignored, as it has no meaning on your own machines: {', '.join(fields)}"] if fields else []

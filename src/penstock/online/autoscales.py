"""What users do with autoscales."""

from collections.abc import Iterator, Sequence

from penstock.control.resources import Change, Resources
from penstock.domain.autoscale import AUTOSCALE, Autoscale, AutoscaleStatus, Capacity
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.durations import span_text
from penstock.domain.errors import conflict, invalid, not_found
from penstock.domain.names import check_name
from penstock.domain.resource import Resource
from penstock.online.derived_autoscale import derived_autoscale

AutoscaleResource = Resource[Autoscale, AutoscaleStatus]


class Autoscales:
    """An autoscale is named as the deployment whose instances it counts: ENDPOINT/DEPLOYMENT."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def named(self, endpoint: str, deployment: str, spec: Autoscale) -> Autoscale:
        """`spec` under the names of its deployment. Raises `invalid` for bad ones, and for what only we may say."""
        check_name("endpoint", endpoint)
        check_name("deployment", deployment)
        pairs = (("endpoint_name", spec.endpoint_name, endpoint), ("deployment_name", spec.deployment_name, deployment))
        for field, said, meant in pairs:
            if said not in (None, meant):
                raise invalid(f"autoscale of {endpoint}/{deployment}: the file says {field}: {said!r}")
        if spec.source is not None:
            raise invalid(f"autoscale of {endpoint}/{deployment}: remove `source`, which the platform sets")
        return spec.model_copy(update={"endpoint_name": endpoint, "deployment_name": deployment})

    def apply(
        self, endpoint: str, deployment: str, spec: Autoscale, *, actor: str, generation: int | None = None
    ) -> tuple[AutoscaleResource, Change]:
        """Create or change an autoscale. Raises as `named`, and `not_found` for a deployment that does not exist."""
        spec = self.named(endpoint, deployment, spec)
        name = f"{endpoint}/{deployment}"
        target = self._resources.find(ONLINE_DEPLOYMENT, name)
        if target is None:
            raise not_found(
                f"autoscale of {name}: there is no deployment {deployment!r} on endpoint {endpoint!r}; create it "
                "first, or give both files to `penstock apply`"
            )
        if target.deleting_since is not None:
            raise conflict(f"autoscale of {name}: the deployment is being deleted")
        return self._resources.apply(AUTOSCALE, name, spec, actor=actor, generation=generation)

    def delete(self, endpoint: str, deployment: str, *, actor: str) -> AutoscaleResource | None:
        """Begin to delete an autoscale; None if there is none. Raises `conflict` where scale_settings ask for it."""
        name = f"{endpoint}/{deployment}"
        present = self._resources.find(AUTOSCALE, name)
        if present is not None and present.spec.source is not None:
            raise conflict(
                f"autoscale of {name} comes from scale_settings in the deployment's file: set scale_settings.type to "
                "default there, or apply an autoscale of your own, which takes its place"
            )
        return self._resources.delete(AUTOSCALE, name, actor=actor)

    def notices(self, spec: Autoscale) -> Sequence[str]:
        """Sentences about what has no effect, and about what is probably not meant."""
        name = f"{spec.endpoint_name}/{spec.deployment_name}"
        target = self._resources.find(ONLINE_DEPLOYMENT, name)
        told: list[str] = []
        if spec.ignored:
            told.append(f"ignored, as it has no effect here: {', '.join(spec.ignored)} (see `penstock events`)")
        if target is not None and not spec.min <= target.spec.instance_count <= spec.max:
            told.append(
                f"instance_count: {target.spec.instance_count} of deployment {name} has no effect while it has an "
                f"autoscale, whose limits are {spec.min} to {spec.max}"
            )
        if target is not None and derived_autoscale(target.spec) is not None:
            told.append(f"scale_settings of deployment {name} have no effect while it has an autoscale of its own")
        return [*told, *_doubts("default", spec), *(d for p in spec.profiles for d in _doubts(p.name, p))]


def _doubts(name: str, capacity: Capacity) -> Iterator[str]:
    """What is probably not meant in a profile."""
    directions = {rule.action.direction for rule in capacity.rules}
    if directions == {"out"}:
        yield f"profile {name!r} has rules to scale out and none to scale in"
    if directions == {"in"}:
        yield f"profile {name!r} has rules to scale in and none to scale out"
    for rule in capacity.rules:
        window = rule.trigger.window
        if rule.cooldown < window / 2:
            yield (
                f"profile {name!r}: the cool-down of {span_text(rule.cooldown)} is much shorter than the window of "
                f"{span_text(window)} ({rule.condition}): the rule fires again before it can see what it did"
            )

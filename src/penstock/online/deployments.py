"""What users do with online deployments."""

from collections.abc import Sequence

from penstock.control.clock import Clock
from penstock.control.resources import Change, Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment, OnlineDeploymentStatus, ignored_fields
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.errors import Code, PenstockError, conflict
from penstock.domain.resource import Resource, provisioning_state
from penstock.domain.samples import sample_request
from penstock.online.ownership import needed, user_of
from penstock.online.routes import scoring_path
from penstock.preparation.membership import check_room, named
from penstock.preparation.preparation import Preparation

Deployment = Resource[OnlineDeployment, OnlineDeploymentStatus]


class Deployments:
    def __init__(self, resources: Resources, preparation: Preparation, clock: Clock) -> None:
        self._resources = resources
        self._clock = clock
        self._preparation = preparation

    def preview(self, endpoint: str, name: str, spec: OnlineDeployment) -> OnlineDeployment:
        """`spec` as it would be stored, as far as that can be told before everything it names is there."""
        spec = named(endpoint, name, spec)
        try:
            return self._preparation.pinned(spec)
        except PenstockError:
            return spec

    def check(self, endpoint: str, name: str, spec: OnlineDeployment) -> OnlineDeployment:
        """`spec` as it is stored: names filled in, `@latest` replaced by versions.

        Raises `invalid`, `not_found` or `conflict` for everything that can be seen without running the model.
        """
        spec = named(endpoint, name, spec)
        check_room(self._resources, (ONLINE_ENDPOINT, ONLINE_DEPLOYMENT), endpoint, name)
        sample_request(spec)  # raises for one outside the code folder
        spec = self._preparation.pinned(spec)
        self._check_route(f"{endpoint}/{name}", spec)
        try:
            self._preparation.advice(f"{endpoint}/{name}", spec)
        except PenstockError as err:
            # The controller waits for what is on its way, and says what this machine lacks.
            if err.code not in (Code.UNAVAILABLE, Code.FAILED):
                raise
        return spec

    def notices(self, spec: OnlineDeployment) -> Sequence[str]:
        """Sentences about what has no effect in a stored spec, and about what may keep its model from working."""
        fields = ignored_fields(spec)
        ignored = [f"ignored, as it has no effect here: {', '.join(fields)}"] if fields else []
        try:
            return [*ignored, *self._preparation.advice(f"{spec.endpoint_name}/{spec.name}", spec)]
        except PenstockError:  # it is told by the conditions
            return ignored

    def apply(
        self, endpoint: str, name: str, spec: OnlineDeployment, *, actor: str, generation: int | None = None
    ) -> tuple[Deployment, Change]:
        """Create or change a deployment; applying a failed one again tries it again."""
        spec = self.check(endpoint, name, spec)
        full = f"{endpoint}/{name}"
        deployment, change = self._resources.apply(ONLINE_DEPLOYMENT, full, spec, actor=actor, generation=generation)
        if change is Change.UNCHANGED and provisioning_state(deployment) == "Failed":
            return self._retried(deployment), Change.UPDATED
        return deployment, change

    def delete(self, endpoint: str, name: str, *, actor: str) -> Deployment | None:
        """Begin to delete a deployment; None if there is none.

        Raises `conflict` while it takes traffic, or a rollout moves its traffic or keeps it warm.
        """
        parent = self._resources.find(ONLINE_ENDPOINT, endpoint)
        if parent is not None and parent.deleting_since is None:
            share = parent.spec.traffic.get(name) or parent.spec.mirror_traffic.get(name)
            if share:
                raise conflict(
                    f"deployment {name!r} takes {share} % of the traffic of endpoint {endpoint!r}: first run "
                    f'`penstock online-endpoint update --name {endpoint} --traffic "{name}=0 OTHER=100"`'
                )
        rollout = user_of(self._resources, f"{endpoint}/{name}", self._clock.now())
        if rollout is not None and parent is not None and parent.deleting_since is None:
            raise needed(name, rollout)
        return self._resources.delete(ONLINE_DEPLOYMENT, f"{endpoint}/{name}", actor=actor)

    def fingerprint(self, deployment: Deployment) -> str | None:
        """Of the environment that this deployment's spec needs; None if that cannot be told."""
        try:
            return self._preparation.fingerprint(deployment.name, deployment.spec)
        except PenstockError:
            return deployment.status.environment

    def _check_route(self, full: str, spec: OnlineDeployment) -> None:
        """Old and new instances serve side by side during an update, and requests come to all of them by one path."""
        present = self._resources.find(ONLINE_DEPLOYMENT, full)
        if present is None or present.status.revision is None:
            return
        before, after = scoring_path(present.spec), scoring_path(spec)
        if before != after:
            raise conflict(
                f"deployment {spec.name!r} serves at the scoring route {before}, which cannot become {after}: create "
                "another deployment and give it the traffic"
            )

    def _retried(self, deployment: Deployment) -> Deployment:
        """Forget the failure, so that the controller starts afresh."""
        status = deployment.status.model_copy(
            update={"failed_revision": None, "failure": None, "conditions": (), "observed_generation": 0}
        )
        stored = self._resources.set_status(ONLINE_DEPLOYMENT, deployment, status)
        self._resources.enqueue(deployment.key)
        return stored if stored is not None else self._resources.get(ONLINE_DEPLOYMENT, deployment.name)

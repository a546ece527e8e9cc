"""Keeps autoscales and deployments together: one that scale_settings ask for is made, one without a deployment goes.

How many instances there shall be is the scaler's business.
"""

from datetime import timedelta

from penstock.control.clock import Clock
from penstock.control.resources import PLATFORM, Resources
from penstock.domain.autoscale import AUTOSCALE, Autoscale, AutoscaleStatus
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.resource import Condition, Key, Resource, Truth, with_condition
from penstock.online.derived_autoscale import derived_autoscale

_SOON = timedelta(milliseconds=100)
_DERIVED = ("Derived", "scale_settings of the deployment ask for it")


class AutoscaleReconciler:
    """Its keys are those of deployments, which is how autoscales are named."""

    def __init__(self, resources: Resources, clock: Clock) -> None:
        self._resources = resources
        self._clock = clock

    def reconcile(self, key: Key) -> timedelta | None:
        present = self._resources.find(AUTOSCALE, key.name)
        deployment = self._resources.find(ONLINE_DEPLOYMENT, key.name)
        alive = deployment if deployment is not None and deployment.deleting_since is None else None
        wanted = derived_autoscale(alive.spec) if alive is not None else None
        if present is None:
            if wanted is not None:
                self._resources.apply(AUTOSCALE, key.name, wanted, actor=PLATFORM, event=_DERIVED)
            return None
        if present.deleting_since is not None:
            self._resources.remove(AUTOSCALE, present)
            return None
        if alive is None or present.status.target not in ("", alive.uid):
            self._resources.delete(AUTOSCALE, key.name, actor=PLATFORM)
            return None
        if present.spec.source is not None and present.spec != wanted:
            return self._followed(present, wanted)
        return self._settled(present, alive)

    def _followed(self, present: Resource[Autoscale, AutoscaleStatus], wanted: Autoscale | None) -> None:
        """What came from scale_settings changes and goes with them."""
        if wanted is None:
            self._resources.delete(AUTOSCALE, present.name, actor=PLATFORM)
        else:
            self._resources.apply(AUTOSCALE, present.name, wanted, actor=PLATFORM, event=_DERIVED)

    def _settled(
        self,
        present: Resource[Autoscale, AutoscaleStatus],
        deployment: Resource[OnlineDeployment, OnlineDeploymentStatus],
    ) -> timedelta | None:
        ready = Condition(
            name="Ready", truth=Truth.TRUE, reason="InForce", message=_sentence(present.spec), since=self._clock.now()
        )
        status = present.status.model_copy(
            update={
                "observed_generation": present.generation,
                "conditions": with_condition(present.status.conditions, ready),
                "target": deployment.uid,
            }
        )
        if status != present.status and self._resources.set_status(AUTOSCALE, present, status) is None:
            return _SOON
        return None


def _sentence(spec: Autoscale) -> str:
    how = f"by {len(spec.rules)} rule{'s' if len(spec.rules) > 1 else ''}" if spec.rules else "by requests in flight"
    profiles = f", {len(spec.profiles)} more profile{'s' if len(spec.profiles) > 1 else ''}" if spec.profiles else ""
    return f"{spec.min} to {spec.max} instances {how}{profiles}" if spec.enabled else "not enabled"

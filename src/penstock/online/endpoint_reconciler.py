"""Makes an endpoint so: keys, routes, and in the end its deletion."""

from datetime import timedelta

from penstock.control.clock import Clock
from penstock.control.resources import PLATFORM, Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.resource import Condition, Key, Resource, Truth, with_condition
from penstock.domain.rollout import ROLLOUT
from penstock.online.keys import Keyring
from penstock.online.routing import Routing

_SOON = timedelta(milliseconds=100)


class EndpointReconciler:
    def __init__(self, resources: Resources, keyring: Keyring, routing: Routing, clock: Clock) -> None:
        self._resources = resources
        self._keyring = keyring
        self._routing = routing
        self._clock = clock

    def reconcile(self, key: Key) -> timedelta | None:
        endpoint = self._resources.find(ONLINE_ENDPOINT, key.name)
        if endpoint is None:
            self._keyring.forget(key.name)
            self._routing.apply()
            return None
        if endpoint.deleting_since is not None:
            return self._delete(endpoint)
        return self._route(endpoint)

    def _route(self, endpoint: Resource[OnlineEndpoint, OnlineEndpointStatus]) -> timedelta | None:
        hashes = self._keyring.ensure(endpoint.name, endpoint.uid).hashes()
        if endpoint.status.keys != hashes:
            status = endpoint.status.model_copy(update={"keys": hashes})
            stored = self._resources.set_status(ONLINE_ENDPOINT, endpoint, status)
            if stored is None:
                return _SOON
            endpoint = stored
        self._routing.apply()
        ready = Condition(
            name="Ready",
            truth=Truth.TRUE,
            reason="Routed",
            message="the gateway routes this endpoint",
            since=self._clock.now(),
        )
        status = endpoint.status.model_copy(
            update={
                "observed_generation": endpoint.generation,
                "conditions": with_condition(endpoint.status.conditions, ready),
            }
        )
        if status != endpoint.status and self._resources.set_status(ONLINE_ENDPOINT, endpoint, status) is None:
            return _SOON
        return None

    def _delete(self, endpoint: Resource[OnlineEndpoint, OnlineEndpointStatus]) -> timedelta | None:
        """Routes first, so that nothing new comes; then deployments and rollouts; then the keys and the row."""
        self._routing.apply()
        deployments = self._resources.list(ONLINE_DEPLOYMENT, f"{endpoint.name}/")
        for deployment in deployments:
            if deployment.deleting_since is None:
                self._resources.delete(ONLINE_DEPLOYMENT, deployment.name, actor=PLATFORM)
        rollouts = self._resources.list(ROLLOUT, f"{endpoint.name}/")
        for rollout in rollouts:
            self._resources.delete(ROLLOUT, rollout.name, actor=PLATFORM)
        if deployments or rollouts:
            return _SOON
        self._keyring.forget(endpoint.name)
        self._resources.remove(ONLINE_ENDPOINT, endpoint)
        return None

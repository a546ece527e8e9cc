"""What users do with online endpoints."""

from collections.abc import Sequence

from penstock.control.resources import Change, Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint, OnlineEndpointStatus, ignored_fields
from penstock.domain.errors import invalid, unavailable
from penstock.domain.names import check_name
from penstock.domain.resource import Resource
from penstock.online.keys import EndpointKeys, Keyring, KeyType
from penstock.online.ownership import claim, without_shadow
from penstock.online.routing import Routing

Endpoint = Resource[OnlineEndpoint, OnlineEndpointStatus]


class Endpoints:
    def __init__(self, resources: Resources, keyring: Keyring, routing: Routing) -> None:
        self._resources = resources
        self._keyring = keyring
        self._routing = routing

    def named(self, name: str, spec: OnlineEndpoint) -> OnlineEndpoint:
        """`spec` under its name. Raises `invalid` for bad names."""
        check_name("endpoint", name)
        if spec.name not in (None, name):
            raise invalid(f"endpoint {name!r}: the file says name: {spec.name!r}; the two must be the same")
        return spec.model_copy(update={"name": name})

    def check(self, name: str, spec: OnlineEndpoint) -> OnlineEndpoint:
        """`spec` as it is stored. Raises `invalid` for bad names and for traffic to deployments that do not exist."""
        deployments = self._resources.list(ONLINE_DEPLOYMENT, f"{name}/")
        present = {d.name.partition("/")[2] for d in deployments if d.deleting_since is None}
        for deployment, percent in {**spec.traffic, **spec.mirror_traffic}.items():
            if percent and deployment not in present:
                raise invalid(
                    f"endpoint {name!r}: traffic names deployment {deployment!r}, which does not exist"
                    + (f" (there are: {', '.join(sorted(present))})" if present else "")
                    + "; create it first, or give both files to `penstock apply`"
                )
        return self.named(name, spec)

    def apply(
        self, name: str, spec: OnlineEndpoint, *, actor: str, generation: int | None = None, force: bool = False
    ) -> tuple[Endpoint, Change]:
        """Create or change an endpoint.

        Raises as `check`, and `conflict` if `generation` is not the present one, or the traffic would change while a
        rollout decides about it; `force` ends that.
        """
        spec = self.check(name, spec)
        before = self._resources.find(ONLINE_ENDPOINT, name)
        event = None
        if before is not None and (before.spec.traffic, before.spec.mirror_traffic) != (
            spec.traffic,
            spec.mirror_traffic,
        ):
            owner = claim(self._resources, name, actor=actor, force=force)
            spec = spec if owner is None else without_shadow(owner, spec)
            event = ("TrafficChanged", f"traffic {shares_shown(before.spec)} -> {shares_shown(spec)}")
        return self._resources.apply(ONLINE_ENDPOINT, name, spec, actor=actor, generation=generation, event=event)

    def delete(self, name: str, *, actor: str) -> Endpoint | None:
        """Begin to delete an endpoint and its deployments; None if there is none."""
        return self._resources.delete(ONLINE_ENDPOINT, name, actor=actor)

    def keys(self, name: str) -> EndpointKeys:
        endpoint = self._resources.get(ONLINE_ENDPOINT, name)
        return self._keyring.ensure(name, endpoint.uid)

    def regenerate_key(self, name: str, which: KeyType, *, request: str, actor: str) -> EndpointKeys:
        """Replace a key; when this returns, the gateway knows the new key and refuses the old one."""
        endpoint = self._resources.get(ONLINE_ENDPOINT, name)
        keys = self._keyring.regenerate(name, endpoint.uid, which, request)
        for _ in range(10):
            endpoint = self._resources.get(ONLINE_ENDPOINT, name)
            status = endpoint.status.model_copy(update={"keys": keys.hashes()})
            if self._resources.set_status(ONLINE_ENDPOINT, endpoint, status) is not None:
                break
        else:
            raise unavailable(f"endpoint {name!r}: the new key is not in force yet, as others lead or write; try again")
        self._routing.apply()
        self._resources.record(
            ONLINE_ENDPOINT.name,
            name,
            "KeyRotated",
            f"{which} key replaced",
            actor=actor,
            generation=endpoint.generation,
        )
        return keys


def notices(spec: OnlineEndpoint) -> Sequence[str]:
    """Sentences about fields that have no effect."""
    fields = ignored_fields(spec)
    return [f"ignored, as it has no meaning on your own machines: {', '.join(fields)}"] if fields else []


def shares_shown(spec: OnlineEndpoint) -> str:
    shares = " ".join(f"{name}={percent}" for name, percent in sorted(spec.traffic.items())) or "none"
    mirrors = " ".join(f"{name}={percent}" for name, percent in sorted(spec.mirror_traffic.items()) if percent)
    return f"{shares} (mirror {mirrors})" if mirrors else shares

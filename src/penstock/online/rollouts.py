"""What users do with rollouts. Each command is one edit of the spec, which the reconciler carries out."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from penstock.control.resources import Change, Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import conflict, invalid, not_found
from penstock.domain.names import check_name
from penstock.domain.resource import Resource
from penstock.domain.rollout import ROLLOUT, Ending, Rollout, RolloutStatus, unfinished
from penstock.online.ownership import owned, owner_of

RolloutResource = Resource[Rollout, RolloutStatus]


class Rollouts:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def named(self, endpoint: str, name: str, spec: Rollout) -> Rollout:
        """`spec` under its names. Raises `invalid` for bad ones."""
        check_name("endpoint", endpoint)
        check_name("rollout", name)
        for field, said, meant in (("name", spec.name, name), ("endpoint_name", spec.endpoint_name, endpoint)):
            if said not in (None, meant):
                raise invalid(f"rollout {name!r}: the file says {field}: {said!r}, the command says {meant!r}")
        if isinstance(spec.golden, str):
            raise invalid(f"rollout {name!r}: golden is {spec.golden[:200]!r}: send the requests, not a file's name")
        return spec.model_copy(update={"name": name, "endpoint_name": endpoint}).plan()

    def start(
        self, endpoint: str, name: str, spec: Rollout, *, actor: str, generation: int | None = None
    ) -> tuple[RolloutResource, Change]:
        """Begin a rollout; one that is under way with the same plan, or has ended well with it, is left as it is.

        Raises `not_found` for an endpoint or deployments that do not exist, and `conflict` while another rollout of
        the endpoint, or this one with another plan, is unfinished.
        """
        spec = self.named(endpoint, name, spec)
        present = self._resources.find(ROLLOUT, f"{endpoint}/{name}")
        if present is not None and present.deleting_since is None:
            same = present.spec.plan() == spec
            if unfinished(present.spec, present.status):
                if same:
                    return present, Change.UNCHANGED
                raise conflict(
                    f"rollout {name!r} of endpoint {endpoint!r} is under way with another plan: abort it first"
                )
            if same and self._stands(present):
                return present, Change.UNCHANGED
            spec = spec.model_copy(update={"attempt": present.spec.attempt + 1})
        self._check(endpoint, name, spec)
        route = f"{spec.from_ or 'what has the traffic'} -> {spec.to}, steps {_percents(spec)}"
        event = ("RolloutStarted", f"rollout {name!r} of endpoint {endpoint!r} was started: {route}")
        full = f"{endpoint}/{name}"
        return self._resources.apply(ROLLOUT, full, spec, actor=actor, generation=generation, event=event)

    def pause(self, endpoint: str, name: str, *, actor: str) -> tuple[RolloutResource, Change]:
        """Stay where it is; guards go on, and may still roll back. Raises `conflict` if it is over."""
        return self._edit(endpoint, name, {"paused": True}, ("RolloutPaused", "paused"), actor)

    def resume(self, endpoint: str, name: str, *, actor: str) -> tuple[RolloutResource, Change]:
        """Go on after a pause. Raises `conflict` if it is over."""
        return self._edit(endpoint, name, {"paused": False}, ("RolloutResumed", "resumed"), actor)

    def end(self, endpoint: str, name: str, ending: Ending, *, actor: str) -> tuple[RolloutResource, Change]:
        """Give the new deployment all traffic, or the old ones theirs, at once.

        Raises `conflict` if it is over, or if the new deployment is to be promoted and has never served.
        """
        if ending == "promote":
            self._check_served(endpoint, name)
        event = {
            "promote": ("RolloutPromoted", f"{actor} promoted it"),
            "abort": ("RolloutAborted", f"{actor} aborted it"),
            "override": ("RolloutOverridden", f"{actor} took over the traffic"),
        }[ending]
        return self._edit(endpoint, name, {"ending": ending}, event, actor)

    def delete(self, endpoint: str, name: str, *, actor: str) -> RolloutResource | None:
        """Forget a rollout that is over; None if there is none. Raises `conflict` while it is unfinished."""
        rollout = self._resources.find(ROLLOUT, f"{endpoint}/{name}")
        if rollout is not None and unfinished(rollout.spec, rollout.status):
            raise conflict(f"rollout {name!r} of endpoint {endpoint!r} is unfinished: abort it first")
        return self._resources.delete(ROLLOUT, f"{endpoint}/{name}", actor=actor)

    def latest(self, endpoint: str) -> RolloutResource:
        """The unfinished rollout of an endpoint, else the one that was begun last. Raises `not_found`."""
        self._resources.get(ONLINE_ENDPOINT, endpoint)
        owner = owner_of(self._resources, endpoint)
        found = owner or max(self._resources.list(ROLLOUT, f"{endpoint}/"), key=lambda r: r.updated_at, default=None)
        if found is None:
            raise not_found(
                f"endpoint {endpoint!r} has no rollout; start one with `penstock rollout start -e {endpoint} --to NAME`"
            )
        return found

    def _check(self, endpoint: str, name: str, spec: Rollout) -> None:
        parent = self._resources.get(ONLINE_ENDPOINT, endpoint)
        if parent.deleting_since is not None:
            raise conflict(f"rollout {name!r}: endpoint {endpoint!r} is being deleted")
        for deployment in filter(None, (spec.to, spec.from_)):
            found = self._resources.get(ONLINE_DEPLOYMENT, f"{endpoint}/{deployment}")
            if found.deleting_since is not None:
                raise conflict(f"rollout {name!r}: deployment {deployment!r} is being deleted")
        self._check_from(name, spec, parent.spec)
        _check_shadow(name, spec, parent.spec)
        owner = owner_of(self._resources, endpoint)
        if owner is not None and owner.name != f"{endpoint}/{name}":
            raise owned(owner)

    def _check_from(self, name: str, spec: Rollout, endpoint: OnlineEndpoint) -> None:
        if spec.from_ is None:
            return
        if not endpoint.traffic.get(spec.from_):
            raise conflict(
                f"rollout {name!r}: deployment {spec.from_!r} has no traffic to start from (traffic: "
                f"{endpoint.traffic or 'none'}); leave out `from` to start from what has it"
            )
        others = [each for each, share in endpoint.traffic.items() if share and each not in (spec.from_, spec.to)]
        if others:
            raise conflict(
                f"rollout {name!r}: {', '.join(map(repr, others))} would lose traffic as well as {spec.from_!r}; leave "
                "out `from` if that is meant, or give them none first"
            )

    def _check_served(self, endpoint: str, name: str) -> None:
        spec = self._resources.get(ROLLOUT, f"{endpoint}/{name}").spec
        new = self._resources.find(ONLINE_DEPLOYMENT, f"{endpoint}/{spec.to}")
        if new is None or new.deleting_since is not None or new.status.revision is None:
            raise conflict(
                f"deployment {spec.to!r} has not served yet: all callers would be without an answer; see "
                f"`penstock online-deployment show -e {endpoint} -n {spec.to}`"
            )

    def _stands(self, rollout: RolloutResource) -> bool:
        """True if it was promoted and its deployment still has all the traffic."""
        endpoint, _, _ = rollout.name.partition("/")
        parent = self._resources.find(ONLINE_ENDPOINT, endpoint)
        return rollout.ready and parent is not None and parent.spec.traffic.get(rollout.spec.to) == 100

    def _edit(
        self, endpoint: str, name: str, change: Mapping[str, Any], event: tuple[str, str], actor: str
    ) -> tuple[RolloutResource, Change]:
        rollout = self._resources.get(ROLLOUT, f"{endpoint}/{name}")
        spec = rollout.spec.model_copy(update=change)
        if spec == rollout.spec:
            return rollout, Change.UNCHANGED
        if not unfinished(rollout.spec, rollout.status):
            raise conflict(f"rollout {name!r} of endpoint {endpoint!r} is over: {rollout.status.phase}")
        return self._resources.apply(
            ROLLOUT, rollout.name, spec, actor=actor, generation=rollout.generation, event=event
        )


def _check_shadow(name: str, spec: Rollout, endpoint: OnlineEndpoint) -> None:
    """Raises `invalid` for a shadow stage that the endpoint does not allow."""
    if spec.shadow is None or endpoint.traffic.get(spec.to) == 100:
        return
    mirror = {**endpoint.mirror_traffic, spec.to: spec.shadow.percent}
    try:
        OnlineEndpoint.model_validate({**endpoint.model_dump(), "mirror_traffic": mirror})
    except ValidationError as err:
        raise invalid(f"rollout {name!r}: shadow: {err.errors()[0]['msg']}") from None


def _percents(spec: Rollout) -> str:
    return ", ".join(str(step.percent) for step in spec.stages) + " %"

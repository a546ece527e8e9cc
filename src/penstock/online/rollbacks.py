"""Goes back: to an endpoint's earlier traffic, a deployment's earlier spec, or everything as it was at an event."""

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.control.changes import sentence
from penstock.control.resources import Edit, Resources
from penstock.domain.autoscale import AUTOSCALE
from penstock.domain.contract import CONTRACT
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.diff import differences
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import Code, PenstockError, conflict, not_found
from penstock.domain.resource import AnyKind, AnyResource, Frozen, Resource, Revision
from penstock.domain.rollback import RollbackRequest
from penstock.online.deployments import Deployments
from penstock.online.endpoints import Endpoints, shares_shown
from penstock.online.ownership import claim
from penstock.online.restoration import edits, held_back, previous_spec
from penstock.online.rollback import ROLLBACK, already_rolled_back, previous_traffic
from penstock.online.routing import Routing

# What an event brings back, in the order of the writes. `scale` follows from the autoscaler, and registered
# environments never change.
KINDS: tuple[AnyKind, ...] = (ONLINE_ENDPOINT, ONLINE_DEPLOYMENT, CONTRACT, AUTOSCALE)
_ATTEMPTS = 5  # at a plan that others write under
_EVENTS = 1000  # of a deployment, in which its ready generations are looked for


@dataclass(frozen=True)
class RolledBack:
    """What was, or in a dry run would be, changed; nothing if everything is so already.

    `written` are the resources after that, in the order of `edits`. `awaited` are deployments that do not serve yet:
    the traffic that they had goes back with the same rollback again, once they do.
    """

    edits: tuple[Edit, ...]
    message: str
    written: Sequence[AnyResource] = ()
    awaited: tuple[str, ...] = ()


class Rollbacks:
    def __init__(self, resources: Resources, endpoints: Endpoints, deployments: Deployments, routing: Routing) -> None:
        self._resources = resources
        self._endpoints = endpoints
        self._deployments = deployments
        self._routing = routing

    def roll_back(self, wanted: RollbackRequest, *, actor: str) -> RolledBack:
        """Plan the rollback and, but for a dry run, carry it out as one change, in effect at the gateway on return.

        Repeating it changes nothing. Raises `not_found` for what never was, `conflict` where there is nothing to go
        back to, and where others go on writing.
        """
        for left in reversed(range(_ATTEMPTS)):
            planned = self._planned(wanted)
            if wanted.dry_run or not planned.edits:
                return planned
            for endpoint in moved(planned.edits):
                claim(self._resources, endpoint, actor=actor, force=wanted.force)
            try:
                written = self._resources.apply_all(planned.edits, actor=actor)
            except PenstockError as err:
                if err.code is Code.CONFLICT and left:  # somebody was first: plan again from what is there now
                    continue
                raise
            self._routing.apply()
            return RolledBack(planned.edits, planned.message, written, planned.awaited)
        raise conflict("what is to be rolled back is being changed by others all the time; try again")

    def _planned(self, wanted: RollbackRequest) -> RolledBack:
        if wanted.event is not None:
            return self._to_event(wanted.event, prune=wanted.prune)
        if wanted.deployment is not None:
            return self._spec(f"{wanted.endpoint}/{wanted.deployment}", wanted.generation)
        return self._traffic(str(wanted.endpoint))

    def _traffic(self, name: str) -> RolledBack:
        endpoint = self._resources.get(ONLINE_ENDPOINT, name)
        history = self._resources.history(ONLINE_ENDPOINT, name)
        if already_rolled_back(history):
            return RolledBack((), f"endpoint {name!r} is already rolled back to {shares_shown(endpoint.spec)}")
        earlier = previous_traffic(history)
        if earlier is None:
            raise conflict(
                f"endpoint {name!r} has no earlier traffic to go back to; see `penstock events --name {name}`"
            )
        shares = {"traffic": earlier.spec.traffic, "mirror_traffic": earlier.spec.mirror_traffic}
        spec = self._endpoints.check(name, endpoint.spec.model_copy(update=shares))
        change = f"traffic {shares_shown(endpoint.spec)} -> {shares_shown(spec)}"
        return _one(ONLINE_ENDPOINT, endpoint, spec, earlier.generation, change)

    def _spec(self, name: str, generation: int | None) -> RolledBack:
        deployment = self._resources.get(ONLINE_DEPLOYMENT, name)
        history = self._resources.history(ONLINE_DEPLOYMENT, name, limit=_EVENTS)
        if generation is None and history[0].action == ROLLBACK:
            return RolledBack((), f"deployment {name!r} is rolled back already, to generation {history[0].generation}")
        earlier = self._earlier(deployment, history, generation)
        if not differences(deployment.spec, earlier.spec):
            return RolledBack((), f"deployment {name!r} is as it was in generation {earlier.generation} already")
        return _one(ONLINE_DEPLOYMENT, deployment, self._checked(name, earlier.spec), earlier.generation)

    def _earlier(
        self,
        deployment: Resource[OnlineDeployment, OnlineDeploymentStatus],
        history: Sequence[Revision[OnlineDeployment]],
        generation: int | None,
    ) -> Revision[OnlineDeployment]:
        name = deployment.name
        if generation is not None:
            found = next((revision for revision in history if revision.generation == generation), None)
            if found is None:
                raise not_found(
                    f"deployment {name!r} has no generation {generation}: it has had 1 to {deployment.generation}"
                )
            return found
        happened = self._resources.last_events(key=deployment.key, limit=_EVENTS)
        mine = (event for event in happened if event.at >= deployment.created_at)
        ready = {event.generation for event in mine if event.reason == "DeploymentReady"}
        earlier = previous_spec(history, ready)
        if earlier is None:
            raise conflict(
                f"deployment {name!r} has no earlier spec that was ready; give --to-generation for one that was not"
            )
        return earlier

    def _checked(self, name: str, spec: OnlineDeployment) -> OnlineDeployment:
        endpoint, _, deployment = name.partition("/")
        return self._deployments.check(endpoint, deployment, spec)

    def _to_event(self, event: int, *, prune: bool) -> RolledBack:
        newest = self._resources.last_events(limit=1)
        if not newest or event > newest[0].id:
            raise not_found(f"there is no event {event} yet; see `penstock events -o json` for their ids")
        found: list[Edit] = []
        for kind in KINDS:
            past, present = self._resources.as_of(kind, event), self._resources.list(kind)
            found += edits(kind, present, past, event, prune=prune)
        restoration = held_back(found, self._serving())
        message = f"as at event {event}: {len(restoration.edits)} changes"
        return RolledBack(restoration.edits, message, awaited=restoration.awaited)

    def _serving(self) -> frozenset[str]:
        """Deployments that serve, with however many instances."""
        deployments = self._resources.list(ONLINE_DEPLOYMENT)
        return frozenset(d.name for d in deployments if d.status.revision is not None and d.deleting_since is None)


def moved(edits: Sequence[Edit]) -> Sequence[str]:
    """The endpoints whose traffic these edits change."""
    return [edit.name for edit in edits if edit.kind is ONLINE_ENDPOINT and edit.present and _moves(edit)]


def _moves(edit: Edit) -> bool:
    before, after = edit.present.spec if edit.present else None, edit.spec
    if not isinstance(before, OnlineEndpoint) or not isinstance(after, OnlineEndpoint):
        return True
    return (before.traffic, before.mirror_traffic) != (after.traffic, after.mirror_traffic)


def _one(kind: AnyKind, present: AnyResource, spec: Frozen, generation: int, change: str = "") -> RolledBack:
    """A rollback of one resource to what it was in a generation; `change` says what that means."""
    message = f"{change or sentence(differences(present.spec, spec))}, as in generation {generation}"
    edit = Edit(kind=kind, name=present.name, present=present, spec=spec, what=("RolledBack", message), action=ROLLBACK)
    return RolledBack((edit,), f"{kind.name} {present.name!r} {message}")

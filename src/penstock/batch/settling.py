"""Endpoints and computes: nothing has to be made for them. They are ready at once, and go when their parts are gone."""

from datetime import timedelta
from typing import Generic, TypeVar

from penstock.control.clock import Clock
from penstock.control.resources import PLATFORM, Resources
from penstock.domain.resource import AnyKind, Condition, Frozen, Key, Kind, Status, Truth, with_condition

_SOON = timedelta(milliseconds=200)

SpecT = TypeVar("SpecT", bound=Frozen)
StatusT = TypeVar("StatusT", bound=Status)


class Settling(Generic[SpecT, StatusT]):
    """The reconciler of a kind of which `parts` are the resources below NAME/, which are deleted with it."""

    def __init__(
        self, resources: Resources, kind: Kind[SpecT, StatusT], clock: Clock, parts: AnyKind | None = None
    ) -> None:
        self._resources = resources
        self._kind = kind
        self._clock = clock
        self._parts = parts

    def reconcile(self, key: Key) -> timedelta | None:
        resource = self._resources.find(self._kind, key.name)
        if resource is None or (resource.ready and resource.deleting_since is None):
            return None
        if resource.deleting_since is not None:
            if self._parts is not None and self._delete_parts(self._parts, key.name):
                return _SOON
            self._resources.remove(self._kind, resource)
            return None
        now = self._clock.now()
        ready = Condition(name="Ready", truth=Truth.TRUE, reason="Ready", message="it can be used", since=now)
        conditions = with_condition(resource.status.conditions, ready)
        update = {"conditions": conditions, "observed_generation": resource.generation}
        self._resources.set_status(self._kind, resource, resource.status.model_copy(update=update))
        return None

    def _delete_parts(self, kind: AnyKind, name: str) -> bool:
        """True if there are some yet."""
        left = self._resources.list(kind, f"{name}/")
        for part in left:
            self._resources.delete(kind, part.name, actor=PLATFORM)
        return bool(left)

"""The one way to read and write resources, for users and controllers alike: preconditions, history, events, and a
key in the queue after each write."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ParamSpec, TypeVar

from penstock.control.changes import sentence, shown
from penstock.control.clock import Clock
from penstock.domain.diff import Difference, differences
from penstock.domain.errors import Code, PenstockError, conflict, not_found
from penstock.domain.events import Event
from penstock.domain.fields import nearest
from penstock.domain.resource import AnyKind, AnyResource, Frozen, Key, Kind, Resource, Revision, Status
from penstock.store.base import Store, Write

SpecT = TypeVar("SpecT", bound=Frozen)
StatusT = TypeVar("StatusT", bound=Status)

PLATFORM = "penstock"  # the actor of what controllers do
_ATTEMPTS = 20  # each lost one means that somebody else's write went through


class Change(StrEnum):
    """What `apply` did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A change of one resource, made together with others.

    `present` is the resource as it was read, None if there is none; without a `spec` it is to be deleted. `what` is
    the reason and message of the event, `action` goes into the history.
    """

    kind: AnyKind
    name: str
    present: AnyResource | None
    spec: Frozen | None
    what: tuple[str, str]
    action: str


class Resources:
    """`enqueue` is called with the key after each write of a spec, of a deletion mark, and after a removal."""

    def __init__(self, store: Store, clock: Clock, enqueue: Callable[[Key], None]) -> None:
        self._store = store
        self._clock = clock
        self._enqueue = enqueue

    def enqueue(self, key: Key) -> None:
        """Have the resource looked at although nothing was written."""
        self._enqueue(key)

    def find(self, kind: Kind[SpecT, StatusT], name: str) -> Resource[SpecT, StatusT] | None:
        return self._store.get(kind, name)

    def get(self, kind: Kind[SpecT, StatusT], name: str) -> Resource[SpecT, StatusT]:
        """The resource. Raises `not_found` that names the most similar one there is."""
        resource = self._store.get(kind, name)
        if resource is None:
            near = nearest(name, (r.name for r in self._store.list(kind)))
            hint = f"did you mean {near!r}?" if near else f'"penstock {kind.name} list" shows what there is'
            raise not_found(f"{kind.name} {name!r} does not exist; {hint}")
        return resource

    def list(self, kind: Kind[SpecT, StatusT], prefix: str = "") -> Sequence[Resource[SpecT, StatusT]]:
        """All of a kind whose name begins with `prefix`, by name; those being deleted too."""
        return self._store.list(kind, prefix)

    def newest(self, kind: Kind[SpecT, StatusT]) -> Iterator[Resource[SpecT, StatusT]]:
        """All of a kind, the newest first, read as they are asked for."""
        return self._store.newest(kind)

    def apply(  # noqa: PLR0913 - one write, and all that may be said about it
        self,
        kind: Kind[SpecT, StatusT],
        name: str,
        spec: SpecT,
        *,
        actor: str,
        generation: int | None = None,
        action: str = "update",
        event: tuple[str, str] | None = None,
    ) -> tuple[Resource[SpecT, StatusT], Change]:
        """Create the resource, or give it this spec if its own differs.

        `generation` is the one that the caller read, 0 if there was none: the write happens only if nobody wrote
        since. Without it the last writer wins. A repeated call changes nothing and is no conflict. `action` goes
        into the history; `event` is a reason and a message in the place of `Created` or `SpecChanged`.

        Raises `conflict` if the precondition does not hold, naming what was changed and by whom, and while the
        resource is being deleted.
        """

        for _ in range(_ATTEMPTS):
            present = self._store.get(kind, name)
            if present is None:
                _check_absent(kind, name, generation)
                change, what = Change.CREATED, event or ("Created", f"{kind.name} {name!r} was created")
                entry = self._event(Key(kind.name, name), 1, what, actor)
                written = _unless_beaten(self._store.create, kind, name, spec, entry)
            else:
                found = differences(present.spec, spec)
                self._check_precondition(kind, present, generation, changing=bool(found))
                if not found:
                    return present, Change.UNCHANGED
                change, what = Change.UPDATED, event or ("SpecChanged", f"changed {sentence(found)}")
                entry = self._event(present.key, present.generation + 1, what, actor)
                written = _unless_beaten(self._store.update_spec, kind, present, spec, entry, action)
            if written is not None:
                self._enqueue(written.key)
                return written, change
        raise conflict(f"{kind.name} {name!r} is being changed by others all the time; try again")

    def apply_all(self, edits: Sequence[Edit], *, actor: str) -> Sequence[AnyResource]:
        """Make all edits or none; the resources as they are then.

        Raises `conflict` if one of them is no longer as it was read.
        """
        writes = [
            Write(
                kind=edit.kind,
                name=edit.name,
                present=edit.present,
                spec=edit.spec,
                event=self._event(Key(edit.kind.name, edit.name), _next_generation(edit), edit.what, actor),
                action=edit.action,
            )
            for edit in edits
        ]
        written = self._store.write_all(writes) if writes else ()
        for resource in written:
            self._enqueue(resource.key)
        return written

    def as_of(self, kind: Kind[SpecT, StatusT], event: int) -> Mapping[str, Revision[SpecT]]:
        """The resources of a kind that there were once that event was recorded, by name."""
        return self._store.as_of(kind, event)

    def delete(self, kind: Kind[SpecT, StatusT], name: str, *, actor: str) -> Resource[SpecT, StatusT] | None:
        """Mark the resource as being deleted; None if it does not exist. Its controller removes it in the end."""

        present = self._store.get(kind, name)
        while present is not None and present.deleting_since is None:
            what = ("Deleting", f"{kind.name} {name!r} is to be deleted")
            entry = self._event(present.key, present.generation, what, actor)
            marked = _unless_beaten(self._store.mark_deleting, kind, present, entry)
            present = marked or self._store.get(kind, name)
        if present is not None:
            self._enqueue(present.key)
        return present

    def remove(self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT]) -> None:
        """Drop a resource whose deletion is complete, for its controller; its history and events stay."""
        what = ("Deleted", f"{kind.name} {resource.name!r} was deleted")
        self._store.remove(kind, resource, self._event(resource.key, resource.generation, what, PLATFORM))
        self._enqueue(resource.key)

    def set_status(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], status: StatusT, *events: Event
    ) -> Resource[SpecT, StatusT] | None:
        """Write what a controller found; None, and nothing written, if somebody wrote since `resource` was read."""
        return self._store.update_status(kind, resource, status, *events)

    def record(
        self, kind_name: str, name: str, reason: str, message: str, *, actor: str = PLATFORM, generation: int = 0
    ) -> None:
        """Append an event that no write carries."""
        self._store.record(self._event(Key(kind_name, name), generation, (reason, message), actor))

    def history(self, kind: Kind[SpecT, StatusT], name: str, limit: int = 100) -> Sequence[Revision[SpecT]]:
        """The specs that the resource has had, newest (the present one) first. Raises `not_found`."""
        self.get(kind, name)
        return self._store.history(kind, name, limit)

    def events(self, *, after: int = 0, key: Key | None = None, limit: int = 1000) -> Sequence[Event]:
        """Events with a higher id than `after`, oldest first; an endpoint's include its deployments'."""
        return self._store.events(after=after, key=key, limit=limit)

    def last_events(self, *, key: Key | None = None, limit: int = 100) -> Sequence[Event]:
        """The newest events, oldest of them first."""
        return self._store.last_events(key=key, limit=limit)

    def _event(self, key: Key, generation: int, what: tuple[str, str], actor: str) -> Event:
        reason, message = what
        return Event(
            at=self._clock.now(),
            kind=key.kind,
            name=key.name,
            generation=generation,
            reason=reason,
            message=message,
            actor=actor,
        )

    def _check_precondition(
        self, kind: Kind[SpecT, StatusT], present: Resource[SpecT, StatusT], generation: int | None, *, changing: bool
    ) -> None:
        what = f"{kind.name} {present.name!r}"
        if present.deleting_since is not None:
            raise conflict(f"{what} is being deleted; wait until it is gone, then apply it again")
        if not changing or generation is None or generation == present.generation:
            return
        revisions = self._store.history(kind, present.name)
        since = [r.actor for r in reversed(revisions) if r.generation > generation]
        base = next((r.spec for r in revisions if r.generation == generation), present.spec)
        raise _changed_meanwhile(what, generation, since, differences(base, present.spec))


def _next_generation(edit: Edit) -> int:
    if edit.present is None:
        return 1
    return edit.present.generation + (edit.spec is not None)


def _check_absent(kind: AnyKind, name: str, generation: int | None) -> None:
    if generation:
        raise conflict(
            f"{kind.name} {name!r} does not exist any more: somebody deleted it since generation {generation}; "
            "create it anew if you want it back"
        )


P = ParamSpec("P")
T = TypeVar("T")


def _unless_beaten(write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """What `write` returns; None if the store says that another writer was first."""
    try:
        return write(*args, **kwargs)
    except PenstockError as err:
        if err.code is not Code.CONFLICT:
            raise
        return None


def _changed_meanwhile(what: str, generation: int, actors: Sequence[str], found: Sequence[Difference]) -> PenstockError:
    """`actors` wrote since `generation` was read, and `found` is what they changed, as far as the history tells."""
    names = ", ".join(dict.fromkeys(actors)) or "somebody"
    details = {difference.path: shown(difference) for difference in found} | {"changed_by": names}
    remedy = "get it again and repeat the change"
    if generation == 0:
        return conflict(f"{what} exists already, written by {names}; {remedy}", details)
    fields = f" ({sentence(found)})" if found else ""
    return conflict(f"{what} was changed by {names} since generation {generation}{fields}; {remedy}", details)

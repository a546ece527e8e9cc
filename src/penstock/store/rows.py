"""From the store's rows to resources, revisions and events."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import Row

from penstock.domain.errors import Code, PenstockError
from penstock.domain.events import Event
from penstock.domain.resource import Frozen, Kind, Resource, Revision, Status

log = logging.getLogger(__name__)
T = TypeVar("T")
SpecT = TypeVar("SpecT", bound=Frozen)
StatusT = TypeVar("StatusT", bound=Status)


def resource_of(kind: Kind[SpecT, StatusT], row: Row[Any]) -> Resource[SpecT, StatusT]:
    """The resource in a row of `resources`. Raises `internal`, naming it, if this version cannot read the row."""
    return Resource(
        kind=kind.name,
        name=row.name,
        uid=row.uid,
        generation=row.generation,
        version=row.version,
        spec=_parsed(kind.spec, row.spec, f"the spec of {kind.name} {row.name!r}"),
        status=_parsed(kind.status, row.status, f"the status of {kind.name} {row.name!r}"),
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleting_since=row.deleting_since,
    )


def revision_of(kind: Kind[SpecT, StatusT], name: str, row: Row[Any]) -> Revision[SpecT]:
    """The revision in a row of `history`. Raises `internal`, naming it, if this version cannot read the row."""
    return Revision(
        uid=row.uid,
        generation=row.generation,
        spec=_parsed(kind.spec, row.spec, f"generation {row.generation} of {kind.name} {name!r}"),
        action=row.action,
        actor=row.actor,
        at=row.at,
    )


def event_of(row: Row[Any]) -> Event:
    return Event.model_validate(dict(row._mapping))  # pyright: ignore[reportPrivateUsage]


def readable(read: Callable[[Row[Any]], T], rows: Iterable[Row[Any]]) -> list[T]:
    """What `read` makes of the rows; one that it cannot read is logged and left out, for the sake of the others."""
    found: list[T] = []
    for row in rows:
        try:
            found.append(read(row))
        except PenstockError as err:
            log.error("stored row left out", extra={"reason": err.message})
    return found


ModelT = TypeVar("ModelT", bound=Frozen)


def _parsed(model: type[ModelT], text: str, what: str) -> ModelT:
    try:
        return model.model_validate_json(text)
    except ValidationError as err:
        # Inputs are left out of the message: they may be secret.
        fault = err.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in fault["loc"])
        raise PenstockError(
            Code.INTERNAL,
            f"{what} cannot be read as stored ({path or 'all of it'}: {fault['msg']}): "
            "delete it in the database, or go back to the Penstock that wrote it",
        ) from None

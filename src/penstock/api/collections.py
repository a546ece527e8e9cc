"""What deployments have collected, over HTTP."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from penstock.api.services import Actor, Platform
from penstock.domain.errors import invalid
from penstock.domain.names import check_name
from penstock.telemetry.exports import Format, exported

router = APIRouter(prefix="/online-endpoints/{endpoint}/deployments/{name}", tags=["collections"])

_MEDIA = {Format.JSONL: "application/jsonl", Format.PARQUET: "application/vnd.apache.parquet", Format.CSV: "text/csv"}


class Collection(BaseModel):
    """What there is of one collection; `records` is null where there are too many to be counted."""

    name: str
    records: int | None
    bytes: int
    first: datetime
    last: datetime


class Collections(BaseModel):
    items: list[Collection]


@router.get("/collections")
def list_collections(endpoint: str, name: str, platform: Platform, _: Actor) -> Collections:
    """The collections of a deployment that have records, also when the deployment is gone."""
    _check(endpoint, name)
    found = platform.records.collections(endpoint, name)
    return Collections(items=[Collection.model_validate(each, from_attributes=True) for each in found])


@router.get("/records")
def get_records(  # noqa: PLR0913 - one parameter for each part of the request
    endpoint: str,
    name: str,
    platform: Platform,
    _: Actor,
    *,
    start: datetime,
    end: datetime,
    collection: str | None = None,
    format: Format = Format.PARQUET,
) -> Any:
    """The records of a collection from `start` until before `end`, as a file.

    Without a collection: the inputs of the model, each row with its output.
    """
    _check(endpoint, name)
    window = _moment(start), _moment(end)
    if window[0] >= window[1]:
        raise invalid(f"the records asked for end at {end}, before they start at {start}")
    if format is Format.JSONL:
        if collection is None:
            raise invalid("inputs joined with outputs have no lines of their own: name a collection, or another format")
        pieces = platform.records.lines(endpoint, name, collection, *window)
    elif collection is None:
        pieces = exported(platform.records.joined(endpoint, name, *window), format)
    else:
        pieces = exported(platform.records.read(endpoint, name, collection, *window), format)
    return StreamingResponse(pieces, media_type=_MEDIA[format])


def _check(endpoint: str, name: str) -> None:
    check_name("endpoint", endpoint)
    check_name("deployment", name)


def _moment(time: datetime) -> datetime:
    if not 1970 <= time.year <= 9000:
        raise invalid(f"{time} is no time at which anything was collected")
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)

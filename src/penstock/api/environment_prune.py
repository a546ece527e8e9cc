"""Removing environments that nothing uses any more, over HTTP."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from penstock.api.services import Actor, JsonBody, Platform
from penstock.domain.durations import duration
from penstock.domain.fields import parse
from penstock.domain.resource import Frozen

router = APIRouter(prefix="/environments", tags=["environments"])


class Prune(Frozen):
    """What to remove: environments that were last used so long ago. With `dry_run` nothing is removed."""

    older_than: str = "30d"
    dry_run: bool = False


class PrunedEnvironment(BaseModel):
    """`bytes` is what its removal frees: what no other environment and no cache shares with it."""

    fingerprint: str
    bytes: int
    last_used_at: datetime


class Pruned(BaseModel):
    items: list[PrunedEnvironment]
    dry_run: bool


@router.post("/prune")
def prune_environments(platform: Platform, _: Actor, body: JsonBody) -> Any:
    """Remove environments that no deployment uses and that were last used so long ago."""
    asked = parse(Prune, body, "prune")
    unused_for = duration(asked.older_than)
    collector = platform.environment_collector
    found = collector.preview(unused_for) if asked.dry_run else collector.collect(unused_for)
    items = [
        PrunedEnvironment(fingerprint=one.fingerprint, bytes=one.bytes, last_used_at=one.last_used_at) for one in found
    ]
    return Pruned(items=items, dry_run=asked.dry_run)

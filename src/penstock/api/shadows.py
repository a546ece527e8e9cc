"""Shadow reports over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from penstock.api.services import Actor, Platform
from penstock.domain.shadow import ShadowReport

router = APIRouter(tags=["shadows"])


@router.get("/online-endpoints/{endpoint}/shadow")
def get_shadow_report(
    endpoint: str,
    platform: Platform,
    _: Actor,
    deployment: str | None = None,
    live: str | None = None,
    minutes: Annotated[float, Query(gt=0, le=60)] = 60,
) -> ShadowReport:
    """How the answers of a shadow compare with the live deployment's; the names may be left out if there is one."""
    of, shadow = platform.shadows.chosen(endpoint, live, deployment)
    since: datetime = platform.now() - timedelta(minutes=minutes)
    return platform.shadows.report(endpoint, of, shadow, since)

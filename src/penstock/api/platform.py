"""The platform itself over HTTP: health, status, events, metrics, the end."""

import os
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from penstock import home
from penstock.api.services import Actor, Platform
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT
from penstock.domain.batch_endpoint import BATCH_ENDPOINT
from penstock.domain.compute import COMPUTE
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.events import Event
from penstock.domain.instance import Phase
from penstock.domain.job import JOB
from penstock.domain.resource import Key
from penstock.registry.server import ServerState
from penstock.version import VERSION

router = APIRouter(tags=["platform"])
open_router = APIRouter(tags=["platform"])


class Events(BaseModel):
    items: list[Event]


@open_router.get("/healthz")
async def healthz() -> dict[str, str]:
    """200 while the process answers."""
    return {"status": "ok"}


@open_router.get("/readyz")
async def readyz(platform: Platform) -> Response:
    """200 if the store and the gateway answer and somebody leads, else 503; within three seconds, with each check."""
    return await platform.readiness.answer(role="leader" if platform.leading() else "follower")


@open_router.get("/metrics")
def metrics(platform: Platform, _: Actor) -> Response:
    """Metrics of the gateway and of every instance in Prometheus' text format; needs the token."""
    return Response(platform.inspector.metrics(), media_type="text/plain; version=0.0.4")


@router.get("/status")
def status(platform: Platform, _: Actor) -> dict[str, Any]:
    instances = [i for i in platform.fleet.instances() if i.phase is not Phase.EXITED]
    return {
        "version": VERSION,
        "home": platform.home,
        "started_at": platform.started_at.isoformat(),
        "gateway_url": platform.gateway_url,
        "gateway_alive": platform.gateway.alive(),
        "leader": platform.leading(),
        "control_planes": _control_planes(platform),
        "endpoints": len(platform.resources.list(ONLINE_ENDPOINT)),
        "deployments": len(platform.resources.list(ONLINE_DEPLOYMENT)),
        "instances": len(instances),
        "mlflow": _registry(platform.mlflow.state()),
    }


def _control_planes(platform: Platform) -> str:
    """In one line: `main leads (pid 12), standby follows (pid 13)`."""
    return ", ".join(
        f"{place.name} {'leads' if place.pid == os.getpid() else 'follows'} (pid {place.pid})"
        for place in home.control_planes(Path(platform.home))
    )


def _registry(state: ServerState) -> str:
    """In one line: `ready (pid 123)`."""
    told = state.message or (f"pid {state.pid}" if state.pid else "")
    return f"{state.phase} ({told})" if told else state.phase.value


@router.get("/events")
def events(
    platform: Platform,
    _: Actor,
    *,
    after: int | None = Query(default=None, ge=0),
    kind: str | None = None,
    name: str | None = None,
    limit: int = Query(default=100, ge=1, le=1000),
) -> Events:
    """The newest events, or those after an id; an endpoint's include its deployments'.

    A name without its kind is that of endpoints, jobs and computes; with a `/`, of deployments.
    """
    keys = [None] if name is None else _keys(kind, name)
    if after is None:
        found = (event for key in keys for event in platform.resources.last_events(key=key, limit=limit))
        return Events(items=sorted(found, key=lambda event: event.id)[-limit:])
    found = (event for key in keys for event in platform.resources.events(after=after, key=key, limit=limit))
    return Events(items=sorted(found, key=lambda event: event.id)[:limit])


def _keys(kind: str | None, name: str) -> list[Key]:
    if kind is not None:
        return [Key(kind, name)]
    kinds = (ONLINE_DEPLOYMENT, BATCH_DEPLOYMENT) if "/" in name else (ONLINE_ENDPOINT, BATCH_ENDPOINT, JOB, COMPUTE)
    return [Key(each.name, name) for each in kinds]


@router.post("/shutdown", status_code=202)
def shut_down(platform: Platform, _: Actor) -> dict[str, str]:
    """End the platform with its gateway and instances."""
    platform.shut_down()
    return {"status": "ending"}

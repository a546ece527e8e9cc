"""How deployments that serve are doing, over HTTP: looks, traces of run(), and what follows from them."""

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from penstock.api.services import Actor, JsonBody, Platform
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.fields import parse
from penstock.domain.observation import Diagnosis, Evidence, Look, Minute

router = APIRouter(tags=["observations"])

_DEPLOYMENT = "/online-endpoints/{endpoint}/deployments/{name}"
_MOST_SECONDS = 120.0


class Minutes(BaseModel):
    items: list[Minute]


class Looks(BaseModel):
    items: list[Look]


@router.get("/observations")
def look(platform: Platform, _: Actor, endpoint: str = "", deployment: str = "") -> Looks:
    """What the instances of all deployments say of themselves, of one endpoint's, or of one deployment's."""
    if endpoint:
        platform.resources.get(ONLINE_ENDPOINT, endpoint)
    return Looks(items=list(platform.inspector.looks(endpoint, deployment)))


@router.get("/online-endpoints/{endpoint}/metrics")
def list_minutes(
    endpoint: str,
    platform: Platform,
    _: Actor,
    deployment: str = "",
    metric: str = "",
    minutes: int = Query(default=10, ge=1, le=60),
) -> Minutes:
    """Azure Monitor's metrics of the last minutes, by deployment: latency in milliseconds, utilization in percent.

    `metric` names those that are wanted, by commas; without it, all.
    """
    wanted = [name for name in metric.split(",") if name]
    return Minutes(items=list(platform.minutes.last(endpoint, deployment, wanted, minutes)))


@router.get(f"{_DEPLOYMENT}/sample", response_model=None)
def get_sample(endpoint: str, name: str, platform: Platform, _: Actor) -> Response:
    """The body of the deployment's sample request."""
    return Response(platform.inspector.sample(endpoint, name), media_type="application/json")


@router.post(f"{_DEPLOYMENT}/trace")
def start_trace(
    endpoint: str,
    name: str,
    platform: Platform,
    _: Actor,
    seconds: float = Query(default=10.0, gt=0, le=_MOST_SECONDS),
) -> Look:
    """Have the instances note for so many seconds what run() opens, imports and connects to; the look before."""
    return platform.inspector.trace(endpoint, name, seconds)


@router.post(f"{_DEPLOYMENT}/diagnosis")
def diagnose(endpoint: str, name: str, platform: Platform, _: Actor, body: JsonBody) -> Diagnosis:
    """Where the time goes and why, by the evidence so far and what the instances say now."""
    return platform.inspector.diagnose(endpoint, name, parse(Evidence, body, "evidence"))

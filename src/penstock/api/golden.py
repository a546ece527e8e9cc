"""Golden requests over HTTP."""

from fastapi import APIRouter

from penstock.api.services import Actor, JsonBody, Platform
from penstock.domain.fields import parse
from penstock.domain.golden import GoldenRequests, GoldenResult, Recording, RecordingRequest, Settling

router = APIRouter(prefix="/online-endpoints/{endpoint}", tags=["golden requests"])


@router.post("/deployments/{name}/golden/check")
def check(endpoint: str, name: str, platform: Platform, _: Actor, body: JsonBody) -> GoldenResult:
    """Ask the deployment for the answers to golden requests, whatever its traffic, and compare them."""
    return platform.golden.check(endpoint, name, parse(GoldenRequests, body, "golden requests").requests)


@router.post("/deployments/{name}/golden/settle")
def settle(endpoint: str, name: str, platform: Platform, _: Actor, body: JsonBody) -> GoldenRequests:
    """Ask the deployment once more, and ignore from then on what its answers differ in."""
    wanted = parse(Settling, body, "golden requests")
    settled = platform.golden.settled(endpoint, name, wanted.requests, renewed=wanted.renewed)
    return GoldenRequests(requests=tuple(settled))


@router.post("/golden/recording")
def record(endpoint: str, platform: Platform, _: Actor, body: JsonBody) -> Recording:
    """Have live traffic taped for another minute, and choose golden requests from the tape so far."""
    return platform.golden_recorder.recorded(endpoint, parse(RecordingRequest, body, "recording"))

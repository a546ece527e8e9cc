"""What is built of environments: whether it can be, and what a build said, over HTTP."""

from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from penstock.api.services import Actor, JsonBody, Platform
from penstock.domain.errors import not_found
from penstock.domain.examination import Examination, Patient
from penstock.domain.fields import parse
from penstock.online.logs import Log, tail
from penstock.preparation.environments import find_environment

router = APIRouter(prefix="/environments", tags=["environments"])


class BuildLog(BaseModel):
    logs: list[Log]


@router.post("/doctor")
def examine_environment(platform: Platform, _: Actor, body: JsonBody) -> Examination:
    """Whether an environment can be built and, if not, what to change: 503 and `Retry-After` until that is found."""
    return platform.environment_doctor.examine(parse(Patient, body, "environment doctor"))


@router.get("/logs/{fingerprint}")
def get_build_log(
    fingerprint: str, platform: Platform, _: Actor, lines: int = Query(default=200, ge=1, le=10_000)
) -> Any:
    """What the last build of the environment with this fingerprint said."""
    return _log(platform, fingerprint, lines, f"environment {fingerprint}")


@router.get("/{name}/versions/{version}/logs")
def get_version_log(
    name: str, version: str, platform: Platform, _: Actor, lines: int = Query(default=200, ge=1, le=10_000)
) -> Any:
    """What the last build of a registered environment said."""
    found = find_environment(platform.resources, name, None if version == "latest" else version)
    build = platform.environments.plan(platform.environments.read(found.spec))
    return _log(platform, build.fingerprint, lines, f"environment {found.name!r} (fingerprint {build.fingerprint})")


def _log(platform: Platform, fingerprint: str, lines: int, what: str) -> BuildLog:
    file = platform.environments.log(fingerprint)
    if not file.exists():
        raise not_found(f"{what} has not been built here: environments are built when a deployment needs them")
    return BuildLog(logs=[Log(name=f"build {fingerprint}", text=tail(file, lines))])

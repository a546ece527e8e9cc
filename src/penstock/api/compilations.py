"""Compilations over HTTP."""

from fastapi import APIRouter

from penstock.api.services import Actor, JsonBody, Platform
from penstock.domain.compilation import Compilation, CompilationRequest
from penstock.domain.fields import parse

router = APIRouter(prefix="/compilations", tags=["compilations"])


@router.post("", status_code=202)
def begin_compilation(platform: Platform, actor: Actor, body: JsonBody) -> Compilation:
    """Compile a version of a model and register it if it answers alike; the same id again begins nothing."""
    request = parse(CompilationRequest, body, "compilation")
    return platform.compilations.begin(request.model_copy(update={"actor": actor}))


@router.get("/{name}")
def get_compilation(name: str, platform: Platform, _: Actor) -> Compilation:
    """How far it is; the last ones are kept until the platform is started anew."""
    return platform.compilations.get(name)

"""Validations over HTTP."""

from fastapi import APIRouter

from penstock.api.services import Actor, JsonBody, Platform
from penstock.domain.fields import parse
from penstock.domain.validation import Validation, ValidationRequest

router = APIRouter(prefix="/validations", tags=["validations"])


@router.post("", status_code=202)
def begin_validation(platform: Platform, _: Actor, body: JsonBody) -> Validation:
    """Try a model with its code and environment once, without an endpoint; the same id again begins nothing."""
    return platform.validations.begin(parse(ValidationRequest, body, "validation"))


@router.get("/{name}")
def get_validation(name: str, platform: Platform, _: Actor) -> Validation:
    """How far it is; the last ones are kept until the platform is started anew."""
    return platform.validations.get(name)

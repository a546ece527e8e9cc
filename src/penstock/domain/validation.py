"""Validations: a model with its code and environment tried once, without an endpoint."""

from pydantic import Field

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errand import Errand, ErrandRequest

LONGEST_SAMPLE = 10 * 1024 * 1024  # characters


class ValidationRequest(ErrandRequest):
    """What is to be tried: what a deployment would say. Its names, traffic and instance count do not matter.

    `sample_request` is the text of a request.
    """

    deployment: OnlineDeployment
    sample_request: str | None = Field(default=None, max_length=LONGEST_SAMPLE)


class Validation(Errand):
    """How far a validation has come. `failure` is the user's own traceback, or the end of the build's output."""

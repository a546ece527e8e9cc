"""Validations: trying a model with its code and environment, without an endpoint."""

import time
import uuid
from collections.abc import Callable
from datetime import timedelta

from penstock.client.errands import wait_ended
from penstock.client.resources import understood
from penstock.client.transport import Transport, segment
from penstock.client.waiting import OnProgress
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.validation import Validation, ValidationRequest

_ROOT = "/validations"
_TIMEOUT = timedelta(hours=1)


class Validations:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def begin(self, deployment: OnlineDeployment, *, sample_request: str | None = None) -> Validation:
        """Have the platform try what `deployment` would serve; its model and code must have been uploaded.

        `sample_request` is the text of a request to try, in the place of the model's own input example.
        """
        request = ValidationRequest(id=uuid.uuid4().hex, deployment=deployment, sample_request=sample_request)
        return understood(Validation, self._transport.post(_ROOT, request.model_dump(mode="json")))

    def get(self, name: str) -> Validation:
        return understood(Validation, self._transport.get(f"{_ROOT}/{segment(name)}"))

    def wait(
        self,
        validation: Validation,
        timeout: timedelta = _TIMEOUT,
        on_progress: OnProgress = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Validation:
        """The validation, once it has ended; each condition is reported when it changes.

        Raises `unavailable` after `timeout`, `not_found` if the platform was started anew meanwhile.
        """
        return wait_ended(self.get, validation, timeout, on_progress, sleep)

"""Rollbacks: what is asked for."""

from typing import Self

from pydantic import Field, model_validator

from penstock.domain.resource import Frozen


class RollbackRequest(Frozen):
    """One of three: an endpoint's traffic, a deployment's spec, or everything as it was at an event.

    `generation` is the deployment's to go back to; without it the last that was ready and differs. `prune` deletes the
    endpoints and deployments that were created after the event. `force` ends rollouts that decide about the traffic.
    """

    endpoint: str | None = None
    deployment: str | None = None
    generation: int | None = Field(default=None, ge=1)
    event: int | None = Field(default=None, ge=1)
    prune: bool = False
    force: bool = False
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if (self.endpoint is None) == (self.event is None):
            raise ValueError("give an endpoint, or an event to go back to")
        if self.event is not None and self.deployment is not None:
            raise ValueError("an event brings everything back: leave the deployment out")
        if self.generation is not None and self.deployment is None:
            raise ValueError("a generation is a deployment's: give the deployment")
        if self.prune and self.event is None:
            raise ValueError("prune is for going back to an event")
        return self

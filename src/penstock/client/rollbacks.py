"""Rollbacks: what they changed, or would change."""

from penstock.client.resources import Answer, FieldChange, understood
from penstock.client.transport import Transport
from penstock.domain.rollback import RollbackRequest


class RolledBackResource(Answer):
    """`change` is created, updated or deleted; `generation` is what the resource has after it, 0 in a dry run."""

    kind: str
    name: str
    change: str
    generation: int
    differences: tuple[FieldChange, ...] = ()


class Rollback(Answer):
    """`awaited` are deployments that do not serve yet: their traffic goes back with the same rollback, once they do."""

    changes: tuple[RolledBackResource, ...]
    message: str
    awaited: tuple[str, ...] = ()


class Rollbacks:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def roll_back(self, wanted: RollbackRequest) -> Rollback:
        """Go back, as one change: all of it or nothing. Repeating it changes nothing."""
        return understood(Rollback, self._transport.post("/rollbacks", wanted.model_dump(mode="json")))

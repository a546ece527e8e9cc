"""Something that happened, kept for `penstock events` and for features that react to it."""

from datetime import datetime

from penstock.domain.resource import Frozen


class Event(Frozen):
    """One entry of the event log.

    `reason` is CamelCase and stable (`Created`, `SpecChanged`, `TrafficChanged`, `RolledBack`, `KeyRotated`,
    `InstanceStarted`, `InstanceDied`, `GatewayReloaded`, ...). `id` is 0 until the store has given one; ids grow.
    """

    id: int = 0
    at: datetime
    kind: str
    name: str
    generation: int = 0
    reason: str
    message: str
    actor: str  # who caused it: a user as `name@host`, or `penstock` for what controllers do

"""Instances: the processes that serve a deployment, as engine, worker and gateway report them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, order=True)
class InstanceName:
    """Which instance: the slot `ordinal` of a revision of a deployment.

    Written `ENDPOINT.DEPLOYMENT.REVISION.ORDINAL`; names of endpoints and deployments have no dots.
    """

    endpoint: str
    deployment: str
    revision: str
    ordinal: int

    def __str__(self) -> str:
        return f"{self.endpoint}.{self.deployment}.{self.revision}.{self.ordinal}"


def parse_instance_name(text: str) -> InstanceName | None:
    """The name that `text` spells, or None if it spells none."""
    parts = text.split(".")
    if len(parts) != 4 or not parts[3].isdigit():
        return None
    return InstanceName(parts[0], parts[1], parts[2], int(parts[3]))


class Phase(StrEnum):
    STARTING = "starting"  # the process runs, the model is being loaded
    READY = "ready"  # takes requests
    UNREADY = "unready"  # was ready; its readiness probe fails
    DRAINING = "draining"  # takes no new requests, finishes those it has
    EXITED = "exited"  # the process is gone


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One instance at one moment. `active` counts requests that it works on."""

    name: InstanceName
    phase: Phase
    started_at: datetime
    pid: int
    exit_code: int | None = None
    active: int = 0
    draining_since: datetime | None = None

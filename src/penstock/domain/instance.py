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
    READY = "ready"  # takes requests, and the gateway knows it
    UNREADY = "unready"  # loaded, but its readiness probe fails or the gateway does not reach it yet
    DRAINING = "draining"  # takes no new requests, finishes those it has
    EXITED = "exited"  # the process is gone


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One instance at one moment.

    `live` is false when its liveness probe has failed for good; `listening` says that the gateway may send it
    requests (it has loaded, and its readiness probe does not fail). `active` counts the requests that it works on;
    for a draining one it is at least 1 until the gateway has confirmed that it sends nothing new. `restart_at` is
    when an exited one may be started again, `failure` why the process in this slot could not load, until one could.
    `batch_requests` is how many requests it answers at a time at most, zero if
    it answers one after the other.
    """

    name: InstanceName
    phase: Phase
    started_at: datetime
    pid: int
    exit_code: int | None = None
    live: bool = True
    listening: bool = False
    active: int = 0
    batch_requests: int = 0
    draining_since: datetime | None = None
    restart_at: datetime | None = None
    failure: str = ""

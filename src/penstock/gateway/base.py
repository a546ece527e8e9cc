"""The port for the gateway: the one process between clients and instances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from penstock.gateway.table import RoutingTable


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What `apply` did. `reasons` says why a reload was needed; it is empty if the runtime socket was enough."""

    reasons: tuple[str, ...] = ()
    commands: int = 0

    @property
    def reloaded(self) -> bool:
        return bool(self.reasons)


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """What the gateway sees of an instance. `active` counts requests that it works on or that wait for it alone."""

    up: bool
    draining: bool
    active: int


@dataclass(frozen=True, kw_only=True)
class ServerLoad:
    """An instance as one process of the gateway sees it now: requests that it works on, and that wait for it alone."""

    active: int
    waiting: int
    up: bool  # and takes new requests


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What one process of the gateway has done for a deployment since it started, and what there is at this moment.

    `answered` counts every answer to a caller or mirror, `refused` those of them that are the caller's fault, `failed`
    those that are not, and answers that broke off. `waiting` are requests for which no instance is free.
    """

    answered: int
    refused: int
    failed: int
    waiting: int
    servers: Mapping[str, ServerLoad]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The counts of one process of the gateway, by deployment (ENDPOINT/DEPLOYMENT).

    A reload starts another process, whose counts begin at zero; the one before is `finishing` what it has.
    """

    process: str  # told apart from all others
    finishing: bool
    deployments: Mapping[str, Counts]


@dataclass(frozen=True, kw_only=True)
class Copies:
    """What became of the copies of requests for one shadow.

    Of those `sent`, `failed` had no answer, or one that says that there is none (408, and 424 and above). `dropped`
    were not sent as too many were under way, `skipped` as the body was larger than what the gateway keeps.
    """

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    skipped: int = 0

    def __add__(self, other: "Copies") -> "Copies":
        return Copies(
            sent=self.sent + other.sent,
            failed=self.failed + other.failed,
            dropped=self.dropped + other.dropped,
            skipped=self.skipped + other.skipped,
        )


class Gateway(Protocol):
    """Calls may come from any thread; `apply` calls are serialised inside."""

    def start(self) -> None:
        """Run the gateway, or find the one that an earlier control plane left running, and return when it answers.

        Raises `unavailable` naming a port that is in use, with the remedy.
        """
        ...

    def apply(self, table: RoutingTable) -> Applied:
        """Make the running gateway do what `table` says; no request is lost by it. Repeating it changes nothing.

        Differences are found against what the gateway is really doing, not against the last call.
        """
        ...

    def observe(self) -> Mapping[str, ServerState]:
        """State of every server in the running gateway, by server name. Raises `unavailable` if it does not answer."""
        ...

    def held(self) -> Mapping[str, int]:
        """How many requests wait for a deployment (ENDPOINT/DEPLOYMENT) that is asleep. Raises `unavailable`."""
        ...

    def tallies(self) -> Sequence[Tally]:
        """What each of the gateway's processes has counted. Raises `unavailable` if it does not answer."""
        ...

    def alive(self) -> bool:
        """True if the gateway's process runs and answers on its admin socket."""
        ...

    def copies(self) -> Mapping[str, Copies]:
        """What became of copies for mirrors since the last reload, by shadow (ENDPOINT/DEPLOYMENT).

        Raises `unavailable` if the gateway does not answer. Shadows that were sent none may be missing.
        """
        ...

    def metrics(self) -> bytes:
        """Metrics in Prometheus' text format. Raises `unavailable`."""
        ...

    def stop(self) -> None:
        """End the gateway's processes, all of them; fine if none runs."""
        ...

    @property
    def port(self) -> int:
        """The port that clients connect to; known once started."""
        ...

"""The port for the gateway: the one process between clients and instances."""

from collections.abc import Mapping
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

    def alive(self) -> bool:
        """True if the gateway's process runs and answers on its admin socket."""
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

"""The counts of the gateway's processes, also of those that have ended since they were read."""

import threading
from collections.abc import Sequence
from dataclasses import replace

from penstock.gateway.base import Counts, Tally

_KEPT = 60  # times that the counts of an ended process are told


class Ledger:
    """Keeps what each process said last: a reload ends one whenever its last request is answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, Tally] = {}
        self._told: dict[str, int] = {}  # how often ended ones were

    def note(self, tally: Tally) -> None:
        """What a process says just before it is told to finish."""
        with self._lock:
            self._last[tally.process] = replace(tally, finishing=True)

    def whole(self, tallies: Sequence[Tally]) -> Sequence[Tally]:
        """What all processes that run say, and what those said last that have ended since."""
        with self._lock:
            running = {tally.process: tally for tally in tallies}
            ended = [closed(tally) for process, tally in self._last.items() if process not in running]
            self._told = {tally.process: self._told.get(tally.process, 0) + 1 for tally in ended}
            ended = [tally for tally in ended if self._told[tally.process] <= _KEPT]
            self._last = running | {tally.process: tally for tally in ended}
            return (*tallies, *ended)


def closed(tally: Tally) -> Tally:
    """The last counts of an ended process. One that was finishing ended because it had answered what it still had."""
    return replace(
        tally,
        finishing=True,
        deployments={
            name: replace(counts, answered=counts.answered + _left(counts, tally), waiting=0, servers={})
            for name, counts in tally.deployments.items()
        },
    )


def _left(counts: Counts, tally: Tally) -> int:
    if not tally.finishing:
        return 0
    return counts.waiting + sum(server.active + server.waiting for server in counts.servers.values())

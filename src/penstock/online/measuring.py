"""What deployments did between two looks at the gateway's and the instances' counts. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from penstock.gateway.base import Counts, ServerLoad, Tally
from penstock.online.sums import Sums
from penstock.telemetry.series import Histogram, Spread, Window, merged

_LONGEST = 10.0  # seconds between two looks: what there is at the second says nothing of so long a time


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All counts at one moment. `sums` are by instance; `deaths` are unwanted ends of instances, by deployment."""

    at: datetime
    tallies: Sequence[Tally]
    sums: Mapping[str, Sums] = field(default_factory=dict[str, Sums])
    deaths: Mapping[str, int] = field(default_factory=dict[str, int])
    cores: int = 1


@dataclass(frozen=True)
class Measured:
    """A window, and for how many seconds requests waited in it, all together: also those that it saw no end of."""

    window: Window
    waited: float


def measured(before: Snapshot, now: Snapshot) -> Mapping[str, Measured]:
    """By deployment; nothing if the two lie too far apart."""
    seconds = (now.at - before.at).total_seconds()
    if not 0 < seconds <= _LONGEST:
        return {}
    names = {name for tally in now.tallies if not tally.finishing for name in tally.deployments}
    return {name: _Deployment(name, before, now).measured(seconds) for name in names}


class _Deployment:
    """One deployment at two moments."""

    def __init__(self, name: str, before: Snapshot, now: Snapshot) -> None:
        self._name, self._before, self._now = name, before, now
        self._counts = _counts(name, now)
        self._known = _counts(name, before)
        self._servers = _servers(self._counts.values())
        self._instances = self._grown_sums()

    def measured(self, seconds: float) -> Measured:
        answered, refused, failed = self._grown()
        queued = sum(counts.waiting for counts in self._counts.values()) + sum(s.waiting for _, s in self._servers)
        waited = seconds * (queued + sum(self._unread(name, server) for name, server in self._servers))
        instances = self._instances.values()
        window = Window(
            start=self._before.at,
            end=self._now.at,
            seconds=seconds,
            requests=answered,
            refused=refused,
            failed=failed,
            latency=merged(now.latency.since(before.latency) for before, now in instances),
            queue_seconds=waited / answered if answered else 0.0,
            concurrency=float(queued + sum(server.active for _, server in self._servers)),
            ready=float(self._ready()),
            restarts=max(0, self._now.deaths.get(self._name, 0) - self._before.deaths.get(self._name, 0)),
            cpu=_spread(_cores(before, now) for before, now in instances),
            memory=_spread(_share(now) for _, now in instances),
            cores=self._now.cores,
        )
        return Measured(window, waited)

    def _grown(self) -> tuple[int, int, int]:
        """Answered, refused, failed. A process of the gateway that was not there before has begun at zero since."""
        answered = refused = failed = 0
        for process, now in self._counts.items():
            before = self._known.get(process)
            answered += max(0, now.answered - (before.answered if before else 0))
            refused += max(0, now.refused - (before.refused if before else 0))
            failed += max(0, now.failed - (before.failed if before else 0))
        return answered, refused, failed

    def _grown_sums(self) -> Mapping[str, tuple[Sums, Sums]]:
        """Before and now, of each instance. A new one has begun at zero; of one that was silent nothing is known."""
        there = {name for name, _ in _servers(self._known.values())}
        found: dict[str, tuple[Sums, Sums]] = {}
        for name in {name for name, _ in self._servers} & self._now.sums.keys():
            now, before = self._now.sums[name], self._before.sums.get(name)
            if before is not None and before.making == now.making:
                found[name] = before, now
            else:
                found[name] = (now if before is None and name in there else _nothing(now)), now
        return found

    def _unread(self, name: str, server: ServerLoad) -> float:
        """Requests that lie in the instance's socket: it reads them when it has ended the run that it is at."""
        before, now = self._instances.get(name, (None, None))
        if before is None or now is None:
            return 0.0
        batch = (now.run - before.run) / (now.runs - before.runs) if now.runs > before.runs else 1.0
        return max(0.0, server.active - max(1.0, batch))

    def _ready(self) -> int:
        current = [self._counts[t.process] for t in self._now.tallies if not t.finishing and t.process in self._counts]
        return sum(server.up for _, server in _servers(current))


def _counts(name: str, snapshot: Snapshot) -> Mapping[str, Counts]:
    return {t.process: t.deployments[name] for t in snapshot.tallies if name in t.deployments}


def _servers(all_counts: Iterable[Counts]) -> list[tuple[str, ServerLoad]]:
    """Those of each process of the gateway: one that finishes may have requests at the same instance as another."""
    return [(name, server) for counts in all_counts for name, server in counts.servers.items()]


def _nothing(sums: Sums) -> Sums:
    return Sums(making=sums.making, at=sums.at, latency=Histogram())


def _cores(before: Sums, now: Sums) -> float | None:
    """None where the instance has not written anew since."""
    return max(0.0, now.cpu_seconds - before.cpu_seconds) / (now.at - before.at) if now.at > before.at else None


def _share(sums: Sums) -> float | None:
    return sums.memory_bytes / sums.memory_limit_bytes if sums.memory_limit_bytes else None


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread(min(known), sum(known) / len(known), max(known)) if known else None

"""Which instances to start, drain and stop next. Pure: no engine, no clock, no store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock.domain.instance import Instance, InstanceName, Phase

_LONGEST_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a deployment should run: `count` instances of `revision`, with one more while an update rolls."""

    endpoint: str
    deployment: str
    revision: str
    count: int
    drain: timedelta  # how long an instance may finish its requests


@dataclass(frozen=True, kw_only=True)
class Plan:
    start: tuple[InstanceName, ...] = ()
    drain: tuple[InstanceName, ...] = ()
    stop: tuple[InstanceName, ...] = ()


def plan(wanted: Wanted, instances: Sequence[Instance], now: datetime) -> Plan:
    """One step towards `wanted`. A new instance is ready before a ready old one drains; drained ones then stop."""
    living = [i for i in instances if i.phase is not Phase.EXITED]
    serving = [i for i in living if i.draining_since is None]
    current = [i for i in serving if i.name.revision == wanted.revision]
    outdated = [i for i in serving if i.name.revision != wanted.revision]

    waiting = [i for i in instances if _is_waiting(i, now) and i.name.revision == wanted.revision]

    missing = wanted.count - len(current) - len(waiting)
    room = wanted.count + (1 if outdated else 0) - len(serving)
    dispensable = sum(i.phase is Phase.READY for i in serving) - wanted.count
    spare = _unready_first(outdated)[: _unready(outdated) + max(0, dispensable)]
    excess = _unready_first(current)[: max(0, len(current) - wanted.count)]
    return Plan(
        start=_free_names(wanted, instances, now)[: max(0, min(room, missing))],
        drain=tuple(i.name for i in (*spare, *excess)),
        stop=tuple(i.name for i in living if drained(i, wanted.drain, now)),
    )


def drained(instance: Instance, limit: timedelta, now: datetime) -> bool:
    """True if a draining instance has nothing left to do, or has had its time."""
    if instance.draining_since is None:
        return False
    return instance.active == 0 or now - instance.draining_since >= limit


def restart_pause(crashes: int) -> timedelta:
    """How long to wait after the n-th crash in a row: not at all, then 1, 2, 4 ... up to 30 seconds."""
    if crashes <= 1:
        return timedelta(0)
    return min(_LONGEST_PAUSE, timedelta(seconds=2 ** min(crashes - 2, 10)))


def _free_names(wanted: Wanted, instances: Iterable[Instance], now: datetime) -> tuple[InstanceName, ...]:
    """Names that may be started now: the lowest slots that no process holds and that need not wait after a crash."""
    mine = [i for i in instances if i.name.revision == wanted.revision]
    taken = {i.name.ordinal for i in mine if i.phase is not Phase.EXITED or _is_waiting(i, now)}
    slots = (n for n in range(wanted.count + len(taken)) if n not in taken)
    return tuple(InstanceName(wanted.endpoint, wanted.deployment, wanted.revision, n) for n in slots)


def _is_waiting(instance: Instance, now: datetime) -> bool:
    """True for a crashed instance whose time to be started again has not come."""
    return instance.phase is Phase.EXITED and instance.restart_at is not None and now < instance.restart_at


def _unready(instances: Iterable[Instance]) -> int:
    return sum(i.phase is not Phase.READY for i in instances)


def _unready_first(instances: Iterable[Instance]) -> list[Instance]:
    """Those that serve nobody first, then the highest slots."""
    return sorted(instances, key=lambda i: (i.phase is Phase.READY, -i.name.ordinal))

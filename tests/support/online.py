"""Values for the tests of the online layer, with defaults for what a test does not care about."""

from datetime import UTC, datetime, timedelta

from penstock.domain.instance import Instance, InstanceName, Phase
from penstock.online.instances import Wanted

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def wants(count: int = 1, revision: str = "new") -> Wanted:
    return Wanted(endpoint="fraud", deployment="blue", revision=revision, count=count, drain=seconds(10))


def an_instance(
    ordinal: int,
    *,
    revision: str = "new",
    phase: Phase = Phase.READY,
    active: int = 0,
    draining_since: datetime | None = None,
    restart_at: datetime | None = None,
) -> Instance:
    return Instance(
        name=InstanceName("fraud", "blue", revision, ordinal),
        phase=phase,
        started_at=NOW - seconds(60),
        pid=1000 + ordinal,
        listening=phase in (Phase.READY, Phase.DRAINING),
        active=active,
        draining_since=draining_since,
        restart_at=restart_at,
    )

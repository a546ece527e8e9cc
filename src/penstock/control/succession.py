"""When a standby takes over from a leader that is there but does not act any more. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock.store.base import Lease

# Seen by us: after a pause of database or machine, a leader that is well needs a moment to renew its lease.
PATIENCE = timedelta(seconds=2)
STARTING = timedelta(seconds=60)  # a leader that has no lease is starting, or ending


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A leader that does not renew what it had. `since` is when that was first seen, in monotonic seconds."""

    lease: Lease | None
    since: float


def silence(
    lease: Lease | None, identity: str, before: Silence | None, *, now: datetime, monotonic: float
) -> Silence | None:
    """What is to be thought of a leader whose lease is this one; None while all is well.

    A lease that another home holds says nothing about the leader of this one.
    """
    if lease is not None and (lease.holder != identity or lease.expires_at > now):
        return None
    if before is not None and before.lease == lease:
        return before
    return Silence(lease=lease, since=monotonic)


def hangs(found: Silence | None, *, monotonic: float) -> bool:
    """True once the silence has lasted too long to be anything else."""
    if found is None:
        return False
    patience = STARTING if found.lease is None else PATIENCE
    return monotonic - found.since >= patience.total_seconds()

"""How many workers each job may have now: the machine and the computes are shared fairly, and nobody waits for ever.

Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from penstock.domain.compute import LOCAL, Compute


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A job that is not over. `instance` is how many workers make an instance, which computes count."""

    job: str
    compute: str
    wanted: int  # workers
    instance: int
    since: datetime


def seats(
    contenders: Sequence[Contender], computes: Mapping[str, Compute], machine: int, idle: frozenset[str] = frozenset()
) -> Mapping[str, int]:
    """Workers for each job, by name; 0: it waits. `idle` jobs cannot use a worker now and get none.

    1. Jobs on dedicated computes come before those on low-priority ones, whose workers they take over.
    2. Among equals, one worker each in the order of their age, then another one each, as long as the machine has cores
       (`machine`) and the job's compute has instances left.
    """
    given = {each.job: 0 for each in contenders}
    room = machine
    for low in (False, True):
        tier = sorted(
            (c for c in contenders if c.job not in idle and _is_low(c, computes) == low), key=lambda c: (c.since, c.job)
        )
        room = _deal(tier, given, computes, room)
    return given


def obstacle(job: Contender, computes: Mapping[str, Compute]) -> str:
    """Why a job that gets no worker gets none, in a sentence."""
    compute = computes.get(job.compute)
    if compute is not None and job.compute != LOCAL and not compute.max_instances:
        return (
            f"compute {job.compute!r} has max_instances: 0, so that nothing runs on it: `penstock compute update "
            f"--name {job.compute} --set max_instances=1`"
        )
    if _is_low(job, computes):
        return f"it waits for other jobs: compute {job.compute!r} has a low priority"
    return "it waits for other jobs to end"


def _deal(tier: Sequence[Contender], given: dict[str, int], computes: Mapping[str, Compute], room: int) -> int:
    """Rounds of one worker each; returns what is left of the machine."""
    dealt = True
    while room > 0 and dealt:
        dealt = False
        for each in tier:
            if room > 0 and given[each.job] < each.wanted and _fits(each, tier, given, computes):
                given[each.job] += 1
                room -= 1
                dealt = True
    return room


def _fits(job: Contender, tier: Sequence[Contender], given: Mapping[str, int], computes: Mapping[str, Compute]) -> bool:
    """True if one worker more keeps within the instances of its compute."""
    compute = computes.get(job.compute)
    if compute is None or job.compute == LOCAL:
        return True
    after = {**given, job.job: given[job.job] + 1}
    used = sum(-(-after[c.job] // c.instance) for c in tier if c.compute == job.compute)
    return used <= compute.max_instances


def _is_low(job: Contender, computes: Mapping[str, Compute]) -> bool:
    compute = computes.get(job.compute)
    return compute is not None and compute.tier == "low_priority"

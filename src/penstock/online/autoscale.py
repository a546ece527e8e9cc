"""How many instances a deployment shall have: one decision, from its autoscale, its readings and the clock. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock.domain.autoscale import Autoscale, Memory
from penstock.domain.durations import span_text
from penstock.online.autoscale_concurrency import by_concurrency
from penstock.online.autoscale_profiles import InForce, in_force
from penstock.online.autoscale_proposal import Proposal, counted
from penstock.online.autoscale_rules import by_rules
from penstock.online.readings import Readings

_AWAKE = timedelta(seconds=5)  # a request within this time wakes a deployment that has no instance


@dataclass(frozen=True, kw_only=True)
class Decision:
    """So many instances, for this reason (a sentence). `memory` is for the next decision.

    `changed` is true where something must be written: the number, or what must outlive a restart.
    """

    instances: int
    reason: str
    memory: Memory
    profile: str
    changed: bool


def decide(spec: Autoscale, readings: Readings, memory: Memory, now: datetime) -> Decision:
    """How many instances there shall be.

    1. The profile in force gives limits and rules; what pre-warming asks for raises the minimum.
    2. Rules propose, or without any the requests in flight do. What cannot be read proposes nothing, but then there
       shall be the default at least.
    3. The limits hold, whatever was read. The last instance goes only after the idle time, and the first request
       brings the first one back.
    4. Fewer, but not so few that the same readings would ask for more at once.
    """
    present = readings.instances.wanted
    force = in_force(spec, now)
    if not spec.enabled:
        reason = "the autoscale is not enabled"
        return Decision(instances=present, reason=reason, memory=memory, profile=force.name, changed=False)
    proposal = _proposal(spec, force, readings, memory, now)
    instances, reason = _within(force, proposal, present)
    if force.min == 0:
        instances, reason = _around_zero(spec, readings, proposal, instances, reason)
    if instances > 0:
        instances, reason = _without_flapping(proposal, instances, min(present, force.max), reason)
    after = proposal.memory
    if proposal.cooldown is not None and instances != present:
        after = after.model_copy(update={"scaled_at": now, "cooldown": proposal.cooldown})
    return Decision(
        instances=instances,
        reason=_told(reason, present, instances, force),
        memory=after,
        profile=force.name,
        changed=instances != present or _lasting(after) != _lasting(memory),
    )


def _proposal(spec: Autoscale, force: InForce, readings: Readings, memory: Memory, now: datetime) -> Proposal:
    if force.rules:
        return by_rules(force.rules, force.max, readings, memory, now)
    return by_concurrency(spec.concurrency, readings, memory, now)


def _within(force: InForce, proposal: Proposal, present: int) -> tuple[int, str]:
    """The proposal within the limits, and why."""
    instances, reason = proposal.instances, proposal.reason
    if proposal.unread and present < force.fallback:
        instances, reason = force.fallback, f"{reason}: the default of {force.fallback} at least"
    if instances > force.max:
        return force.max, f"{reason}; {force.max} are the most"
    if instances < force.min:
        why = "by schedule" if force.prewarmed else "at least"
        return force.min, f"{reason}; {force.min} {why}"
    return instances, reason


def _around_zero(
    spec: Autoscale, readings: Readings, proposal: Proposal, instances: int, reason: str
) -> tuple[int, str]:
    """None if nobody came for the idle time; else one at least, unless there is none and nobody wants one.

    Windows that are longer than the idle time still have what is over: it wakes nobody.
    """
    present = readings.instances.wanted
    if present == 0:
        idle = readings.idle(_AWAKE)
        if idle is False:
            return 1, "requests wait for the first instance"
        if idle and not proposal.unread:
            return 0, "no request waits"
        return instances, reason
    if not proposal.unread and readings.idle(spec.idle_time):
        return 0, f"no request for {span_text(spec.idle_time)}"
    return max(1, instances), reason


def _without_flapping(proposal: Proposal, instances: int, present: int, reason: str) -> tuple[int, str]:
    """The fewest instances from `instances` on that would not be too few at once; `present` if none below it is."""
    refused = None
    for fewer in range(instances, present):
        why = proposal.out_again(fewer)
        if why is None:
            return fewer, f"{reason}; not fewer: {refused}" if refused else reason
        refused = refused or why
    return (present, f"{reason}; but {refused}") if refused else (instances, reason)


def _told(reason: str, present: int, instances: int, force: InForce) -> str:
    """The sentence, with what changes at its beginning."""
    where = "" if force.name == "default" else f" (profile {force.name})"
    if instances == present:
        return f"{counted(present)}{where}: {reason}"
    return f"{present} -> {counted(instances)}{where}: {reason}"


def _lasting(memory: Memory) -> Memory:
    return memory.model_copy(update={"peaks": (), "panicked_at": None, "unready": False, "ready_since": None})

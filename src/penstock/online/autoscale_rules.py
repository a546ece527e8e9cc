"""Scaling by rules as Azure Monitor does: out if any rule says so, in if all do, one cool-down for both. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from penstock.domain.autoscale import Memory
from penstock.domain.autoscale_rule import METRICS, Rule, Trigger
from penstock.domain.durations import span_text
from penstock.online.autoscale_proposal import Proposal, counted, number
from penstock.online.readings import Readings


@dataclass(frozen=True)
class _Read:
    """A rule with what its metric was, and how many `instances` it would make of the `present` ones."""

    rule: Rule
    trigger: Trigger
    value: float | None
    present: int
    instances: int

    @property
    def fires(self) -> bool:
        return self.value is not None and self.trigger.holds(self.value)

    @property
    def sentence(self) -> str:
        """`CpuUtilizationPercentage is 82.3 % (avg 5m), > 70`."""
        value = "unknown" if self.value is None else f"{number(self.value)}{METRICS[self.trigger.metric].unit}"
        how = f"{self.trigger.aggregation} {span_text(self.trigger.window)}"
        return f"{self.trigger.metric} is {value} ({how}), {self.trigger.operator} {number(self.trigger.threshold)}"


def by_rules(rules: Sequence[Rule], most: int, readings: Readings, memory: Memory, now: datetime) -> Proposal:
    """What the rules ask for.

    1. After a rule fired, nothing happens for as long as its cool-down says.
    2. Out if any rule fires that makes more of the present instances, to the highest number that one of them gives.
    3. In if all rules fire that make fewer, to the highest number that one of them gives; not while a metric of any
       rule cannot be read.
    """
    present = readings.instances.wanted
    if memory.scaled_at is not None and now < memory.scaled_at + memory.cooldown:
        left = span_text(memory.scaled_at + memory.cooldown - now)
        reason = f"a rule changed the number of instances; its cool-down of {span_text(memory.cooldown)} ends in {left}"
        return Proposal(instances=present, reason=reason, memory=memory)
    read = [_read(rule, readings, present) for rule in rules]
    outward = [each for each in read if each.fires and each.instances > present]
    if outward:
        return _chosen(outward, memory, most)
    unread = [each.trigger.metric for each in read if each.value is None]
    if unread:
        names = ", ".join(dict.fromkeys(unread))
        return Proposal(instances=present, reason=f"{names} cannot be read", memory=memory, unread=names)
    inward = [each for each in read if each.instances < present]
    if inward and all(each.fires for each in inward):
        return _chosen(inward, memory, most, read)
    return Proposal(instances=present, reason=_quiet(read, present), memory=memory)


def _read(rule: Rule, readings: Readings, present: int) -> _Read:
    return _Read(rule, rule.trigger, readings.value(rule.trigger), present, rule.action.applied(present))


def _chosen(fired: Sequence[_Read], memory: Memory, most: int, all_rules: Sequence[_Read] = ()) -> Proposal:
    """The rule among those that fired which gives the most instances."""
    best = max(fired, key=lambda each: min(each.instances, most))
    return Proposal(
        instances=best.instances,
        reason=best.sentence,
        memory=memory,
        cooldown=best.rule.cooldown,
        out_again=lambda instances: _out_again(all_rules, instances),
    )


def _out_again(read: Sequence[_Read], instances: int) -> str | None:
    """Why so few instances would be too few at once, if the same work was spread over them."""
    for each in read:
        if each.value is None or each.rule.action.applied(instances) <= instances:
            continue
        then = each.trigger.projected(each.value, each.present, instances)
        if each.trigger.holds(then):
            unit = METRICS[each.trigger.metric].unit
            return f"{each.trigger.metric} would be {number(then)}{unit} with {counted(instances)}"
    return None


def _quiet(read: Sequence[_Read], present: int) -> str:
    """Why nothing changes: the rules' metrics."""
    values = {
        e.trigger.metric: f"{number(e.value)}{METRICS[e.trigger.metric].unit}" for e in read if e.value is not None
    }
    told = ", ".join(f"{metric} is {value}" for metric, value in values.items())
    fired = [e.sentence for e in read if e.fires and e.instances < present]
    if fired:
        return f"{'; '.join(fired)}, but not every rule for fewer instances says so"
    return f"no rule asks for another number of instances: {told}"

"""Scaling by how many requests are in flight, with the windows and the panic of Knative's autoscaler. Pure."""

import math
from datetime import datetime, timedelta

from penstock.domain.autoscale import Concurrency, Memory, Peak
from penstock.domain.durations import span_text
from penstock.online.autoscale_proposal import Proposal, counted, number
from penstock.online.readings import Readings

_MOST_UP = 1000  # times the ready instances at once, and
_MOST_DOWN = 2  # the part of them that stays: what Knative has by default
_ROUNDING = 1e-9  # 2.1 requests of 0.7 each are 3 instances, whatever the division says


def by_concurrency(settings: Concurrency, readings: Readings, memory: Memory, now: datetime) -> Proposal:
    """As many instances as the requests in flight need.

    1. Needed are requests in flight over the target of an instance, by the stable and by the panic window; not more
       than a thousand times the ready ones and not less than half of them.
    2. A panic begins, or goes on, when the panic window needs the threshold's share of the ready instances. It ends
       when that was not so for a stable window. While it lasts the highest need since its beginning holds, and none
       of the instances that were there when it began goes.
    3. Of the instances there are, those are kept that either window needed within the delay of scaling in. Without it
       the noise of a steady load would start and end instances all the time.
    4. What waited while no instance was ready does not count: it says how long they take to start, not how much there
       is to do.
    """
    present, ready = readings.instances.wanted, max(1, readings.instances.ready)
    target = settings.per_instance(readings.at_once)
    memory = _watched(memory, now, ready=readings.instances.ready > 0)
    known = now - memory.ready_since if memory.ready_since is not None else settings.stable_window
    hot = readings.concurrency(settings.panic_window)
    if hot is None:
        reason = "the requests in flight cannot be read"
        return Proposal(instances=present, reason=reason, memory=memory, unread="Concurrency")
    if known < settings.panic_window:
        hot = readings.concurrency(known) if known > timedelta(0) else None
    if present > 0 and (memory.unready or hot is None):
        return Proposal(instances=present, reason="no instance was ready until now", memory=memory)
    hot = hot or 0.0
    calm = readings.concurrency(min(settings.stable_window, known))
    stable, panic = _needed(hot if calm is None else calm, target, ready), _needed(hot, target, ready)
    threshold = settings.panic_threshold_percentage / 100
    over = _raw(hot, target) / ready >= threshold
    memory = _panicked(memory, settings, now, over=over, needed=max(stable, panic), present=present)
    if memory.panic_since is not None:
        needed, flow, window = memory.panic_instances, hot, settings.panic_window
    else:
        needed, flow, window = stable, hot if calm is None else calm, settings.stable_window
    highest_now = max(_raw(flow, target), _raw(hot, target))
    memory, highest = _remembered(memory, settings.scale_in_delay, highest_now, now)
    kept = max(needed, min(present, highest))
    if calm is None:  # too little of the stable window was measured to say that fewer are enough
        kept = max(kept, present)
    return Proposal(
        instances=kept,
        reason=_reason(flow, window, target, needed, kept, memory, settings),
        memory=memory,
        out_again=lambda instances: _out_again(hot, target, instances, threshold),
    )


def _watched(memory: Memory, now: datetime, *, ready: bool) -> Memory:
    """The memory with what it knows about when instances have been ready."""
    if not ready:
        return memory.model_copy(update={"unready": True, "ready_since": None})
    return memory.model_copy(update={"unready": False, "ready_since": now}) if memory.unready else memory


def _raw(flow: float, target: float) -> int:
    return math.ceil(flow / target - _ROUNDING)


def _needed(flow: float, target: float, ready: int) -> int:
    return min(max(_raw(flow, target), ready // _MOST_DOWN), ready * _MOST_UP)


def _panicked(memory: Memory, settings: Concurrency, now: datetime, *, over: bool, needed: int, present: int) -> Memory:
    """The memory with a panic begun, gone on or ended."""
    if over:
        most = max(needed, memory.panic_instances if memory.panic_since else present)
        since = memory.panic_since or now
        return memory.model_copy(update={"panic_since": since, "panicked_at": now, "panic_instances": most})
    if memory.panic_since is None:
        return memory
    if memory.panicked_at is None or now - memory.panicked_at > settings.stable_window:
        return memory.model_copy(update={"panic_since": None, "panicked_at": None, "panic_instances": 0})
    return memory.model_copy(update={"panic_instances": max(memory.panic_instances, needed)})


def _remembered(memory: Memory, delay: timedelta, needed: int, now: datetime) -> tuple[Memory, int]:
    """The memory with this need in it, and the highest one within the delay."""
    later = [peak for peak in memory.peaks if peak.instances > needed and now - peak.at < delay]
    peaks = (*later, Peak(at=now, instances=needed)) if delay else ()
    return memory.model_copy(update={"peaks": peaks}), peaks[0].instances if peaks else needed


def _out_again(hot: float, target: float, instances: int, threshold: float) -> str | None:
    if instances == 0 or _raw(hot, target) / instances < threshold:
        return None
    return f"{number(hot)} requests in flight would be too many for {counted(instances)}"


def _reason(  # noqa: PLR0913, PLR0917 - what a sentence says
    flow: float, window: timedelta, target: float, needed: int, kept: int, memory: Memory, settings: Concurrency
) -> str:
    sentence = (
        f"{number(flow)} requests in flight (avg {span_text(window)}) at {number(target)} per instance need "
        f"{counted(needed)}"
    )
    if memory.panic_since is not None:
        sentence += f"; a sudden load has held the highest need since {memory.panic_since:%H:%M:%S}"
    if kept > needed:
        within = max(settings.scale_in_delay, settings.panic_window)
        sentence += f"; {kept} were needed within the last {span_text(within)}"
    return sentence

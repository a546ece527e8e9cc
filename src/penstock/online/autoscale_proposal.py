"""What one way of scaling would do, before limits, idleness and the danger of flapping are looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from penstock.domain.autoscale import Memory


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """So many instances, for this reason. `unread` names what could not be read, and kept it from saying less.

    `cooldown` is how long nothing may change after it was done. `out_again` tells for fewer instances why the same
    readings would ask for more at once; None if they would not.
    """

    instances: int
    reason: str
    memory: Memory
    unread: str = ""
    cooldown: timedelta | None = None
    out_again: Callable[[int], str | None] = lambda _: None


def number(value: float) -> str:
    """For sentences: 82.3, 0.42, 1,200."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def counted(instances: int) -> str:
    return f"{instances} instance{'' if instances == 1 else 's'}"

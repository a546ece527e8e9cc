"""Which limits and rules of an autoscale are in force at a time. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from penstock.domain.autoscale import Autoscale, Capacity
from penstock.domain.autoscale_azure import is_paired_end
from penstock.domain.autoscale_rule import Rule


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The limits and rules of a moment. `prewarmed` of the `min` instances are there by schedule."""

    name: str
    min: int
    max: int
    fallback: int
    rules: Sequence[Rule]
    prewarmed: int = 0


def in_force(spec: Autoscale, now: datetime) -> InForce:
    """The first fixed-date profile whose time it is, else the recurring one that began last, else the default.

    What pre-warming asks for raises the minimum, up to the maximum.
    """
    name, capacity = _profile(spec, now)
    warm = max((each.instances for each in spec.prewarm if each.began(now) is not None), default=0)
    least = max(capacity.min, min(warm, capacity.max))
    return InForce(
        name=name,
        min=least,
        max=capacity.max,
        fallback=max(capacity.fallback, least),
        rules=capacity.rules,
        prewarmed=least if least > capacity.min else 0,
    )


def _profile(spec: Autoscale, now: datetime) -> tuple[str, Capacity]:
    for profile in spec.profiles:
        if profile.fixed is not None and profile.fixed.began(now) is not None:
            return profile.name, profile
    began = [(p.recurrence.began(now), p) for p in spec.profiles if p.recurrence is not None]
    running = [(at, profile) for at, profile in began if at is not None]
    if not running:
        return "default", spec
    _, profile = max(running, key=lambda pair: pair[0])  # of those that began together the first in the file
    return _shown(profile.name), profile


def _shown(name: str) -> str:
    """What az and the portal call `{"name": "default", "for": "nights"}` is the default again."""
    return str(json.loads(name).get("name", "default")) if is_paired_end(name) else name

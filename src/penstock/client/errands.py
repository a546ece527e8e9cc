"""Waiting for errands: validations, compilations."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from penstock.client.waiting import OnProgress
from penstock.domain.errand import Errand
from penstock.domain.errors import unavailable
from penstock.domain.resource import Condition

ErrandT = TypeVar("ErrandT", bound=Errand)

_PAUSE = 0.2  # seconds


def wait_ended(
    get: Callable[[str], ErrandT],
    errand: ErrandT,
    timeout: timedelta,
    on_progress: OnProgress,
    sleep: Callable[[float], None] = time.sleep,
) -> ErrandT:
    """The errand, once it has ended; each condition is reported when it changes.

    Raises `unavailable` after `timeout`, `not_found` if the platform was started anew meanwhile.
    """
    told: dict[str, Condition] = {}
    for _ in range(int(timeout.total_seconds() / _PAUSE)):
        errand = get(errand.id)
        for condition in errand.conditions:
            if told.get(condition.name) != condition:
                on_progress(condition)
            told[condition.name] = condition
        if errand.ended:
            return errand
        sleep(_PAUSE)
    what = type(errand).__name__.lower()
    raise unavailable(f"{what} {errand.id!r} has not ended after {timeout.total_seconds():.0f} s")

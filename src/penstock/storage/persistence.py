"""Asking other machines again while they do not answer."""

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from penstock.domain.errors import Code, PenstockError

T = TypeVar("T")

_TRIES = 7
_FIRST_SECONDS, _LONGEST_SECONDS = 0.2, 8.0  # between two tries: about 15 s in all


class EndedError(Exception):
    """The process is to end before it has done what it does."""


def patiently(ask: Callable[[], T], ending: threading.Event) -> T:
    """What `ask` returns; it is asked again while it raises `unavailable`, with growing pauses, a few times.

    Raises EndedError when the process is to end.
    """
    for number in range(_TRIES):
        if ending.is_set():
            raise EndedError
        try:
            return ask()
        except PenstockError as err:
            if err.code is not Code.UNAVAILABLE or number == _TRIES - 1:
                raise
        pause = min(_FIRST_SECONDS * 2**number, _LONGEST_SECONDS)
        ending.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that streams do not come in step
    raise AssertionError

"""Ending processes that are no instances, and waiting until they are gone."""

import time
from datetime import timedelta

from penstock.engines.base import Engine

_GRACE = timedelta(seconds=2)
_DYING = 15.0  # seconds
_LOOK = 0.05  # seconds


def end(engine: Engine, name: str) -> None:
    """End the process of that name and return when it is gone, or after some seconds."""
    give_up_at = time.monotonic() + _DYING
    while any(p.name == name and p.running for p in engine.inspect()) and time.monotonic() < give_up_at:
        engine.stop(name, _GRACE)
        time.sleep(_LOOK)
    engine.forget(name)


def end_all(engine: Engine, prefix: str) -> None:
    """End all processes whose names begin with `prefix`."""
    for process in engine.inspect():
        if process.name.startswith(prefix):
            end(engine, process.name)

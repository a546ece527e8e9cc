"""Keeps collected records in order, in the background: Parquet for closed hours, and nothing older than asked for."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from penstock.control.loop import STOP, Loop
from penstock.telemetry.compaction import compact, expire

_EVERY = timedelta(minutes=5)


class RecordKeeper:
    """Looks after the records below `root`, which are kept for `keep`; for ever if that is None."""

    def __init__(self, root: Path, keep: timedelta | None, now: Callable[[], datetime]) -> None:
        self._root = root
        self._keep = keep
        self._now = now
        self._loop = Loop("records", self.step, _EVERY)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """False if it is still at work after `timeout`; that may be cut off anywhere."""
        return self._loop.stop(timeout)

    def step(self) -> timedelta:
        """Do what is to be done now; returns when to look again."""
        now = self._now()
        if self._keep is not None:
            expire(self._root, now - self._keep)
        compact(self._root, now)
        return _EVERY

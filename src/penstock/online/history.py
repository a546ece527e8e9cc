"""The windows of the last hour, by deployment: of the last minutes second by second, before that ten at a time."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from penstock.online.measuring import Measured
from penstock.telemetry.series import Window, joined

_HOUR = timedelta(hours=1)
_FINE = 600  # windows that are kept as they came
_TOGETHER = 10  # windows that are joined to one when they grow old


class History:
    """Windows of one deployment, in the order of time."""

    def __init__(self) -> None:
        self._fine: deque[Measured] = deque()
        self._coarse: deque[Measured] = deque()
        self.last_request_at: datetime | None = None

    def put(self, measured: Measured) -> None:
        self._fine.append(measured)
        window = measured.window
        if window.requests or window.concurrency:
            self.last_request_at = window.end
        if len(self._fine) >= _FINE + _TOGETHER:
            old = [self._fine.popleft() for _ in range(_TOGETHER)]
            self._coarse.append(_joined(old, old[0].window.start, old[-1].window.end))
        while self._coarse and self._coarse[0].window.end < window.end - _HOUR:
            self._coarse.popleft()

    def window(self, start: datetime, end: datetime) -> Window:
        """All that lies wholly within."""
        return _joined(self._within(start, end), start, end).window

    def _within(self, start: datetime, end: datetime) -> Sequence[Measured]:
        found: list[Measured] = []
        for measured in (*reversed(self._fine), *reversed(self._coarse)):
            if measured.window.start < start:
                break
            if measured.window.end <= end:
                found.append(measured)
        return found


class Histories:
    """Those of all deployments. Calls may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, History] = {}

    def put(self, windows: Mapping[str, Measured], now: datetime) -> None:
        """What has just been measured; deployments that have not been seen for an hour are forgotten."""
        with self._lock:
            for name, measured in windows.items():
                self._by_name.setdefault(name, History()).put(measured)
            for name in self._by_name.keys() - windows.keys():
                if self._by_name[name].window(now - _HOUR, now).seconds == 0:
                    del self._by_name[name]

    def window(self, name: str, start: datetime, end: datetime) -> Window:
        with self._lock:
            history = self._by_name.get(name)
            return Window(start=start, end=end) if history is None else history.window(start, end)

    def last_request_at(self, name: str) -> datetime | None:
        with self._lock:
            history = self._by_name.get(name)
            return None if history is None else history.last_request_at


def _joined(parts: Iterable[Measured], start: datetime, end: datetime) -> Measured:
    """One of several. The wait is that of all requests, whichever window saw their end."""
    known = list(parts)
    whole = joined((each.window for each in known), start, end)
    waited = sum(each.waited for each in known)
    faults = min(whole.failed, whole.requests), min(whole.refused, max(0, whole.requests - whole.failed))
    wait = waited / whole.requests if whole.requests else 0.0
    return Measured(replace(whole, failed=faults[0], refused=faults[1], queue_seconds=wait), waited)

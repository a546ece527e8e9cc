"""Measurements for tests: what was put in is what was measured."""

from collections import defaultdict
from datetime import datetime

from penstock.telemetry.series import Window, joined


class RecordedWindows:
    """A `Windows` of the windows that a test has put in. One counts where it ended in the time that is asked for."""

    def __init__(self) -> None:
        self._windows: defaultdict[str, list[Window]] = defaultdict(list)

    def put(self, deployment: str, window: Window) -> None:
        self._windows[deployment].append(window)

    def window(self, deployment: str, start: datetime, end: datetime) -> Window:
        inside = (each for each in self._windows[deployment] if start < each.end <= end)
        return joined(inside, start, end)

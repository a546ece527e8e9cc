"""Collection in an instance, from its configuration to its last record."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from penstock_worker import azure_package, monitoring
from penstock_worker.capture import Capture
from penstock_worker.collection import REQUEST, RESPONSE, read_collections
from penstock_worker.collector import Collector
from penstock_worker.logs import log
from penstock_worker.sink import HOST, Sink

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.counters import Counters
    from penstock_worker.model import Model

_FLUSH_SECONDS = 2.0


class Collecting:
    """Ready to take records before the user's code is imported; they count once `open` is called."""

    def __init__(self, configuration: Path, folder: Path, instance: str, counters: Counters) -> None:
        """Raises OSError or ValueError."""
        self._collector = Collector(read_collections(configuration), str(folder), instance, counters)
        self._sink: Sink | None = None
        if set(self._collector.collections.rates) - {REQUEST, RESPONSE}:
            monitoring.collect_with(self._collector)
            self._sink = Sink(self._collector)
            self._sink.start()
            azure_package.lead_to(HOST, self._sink.port, os.environ)

    def open(self, model: Model | None) -> Capture:
        """What lets the collector see requests, for `model` unless it is a script that is served.

        The sample request is over; what its run() has collected is dropped.

        Azure's package sends late, and tells the time in whole seconds: the next one is waited for.
        """
        if self._sink is not None and azure_package.is_used():
            now = time.time()
            time.sleep(1 - now % 1)
            self._sink.since = int(now) + 1
        self._collector.open()
        return Capture(self._collector, model)

    def close(self) -> None:
        """Write what is left."""
        azure_package.flush(_FLUSH_SECONDS)
        self._collector.close()


def begin(configuration: Path | None, folder: Path | None, instance: str, counters: Counters) -> Collecting | None:
    """Collection as it is configured; None if it is not, or cannot be: predictions are worth more than records."""
    if configuration is None or folder is None:
        return None
    try:
        return Collecting(configuration, folder, instance, counters)
    except (OSError, ValueError, KeyError) as error:
        log.warning("nothing is collected: %s: %s", configuration, error)
        return None


def end(collecting: Collecting | None) -> None:
    """Write what is left, if anything is collected."""
    if collecting is not None:
        collecting.close()

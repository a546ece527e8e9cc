"""Takes records while requests are answered, and writes them on a thread of its own.

A request pays for a look at the sampling rate and a reference to what it has in hand anyway. All that costs time, and
all that may fail, happens on the thread; where it does not keep up, records are dropped and counted.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING

from penstock_worker.logs import log
from penstock_worker.record import MAX_LINE_BYTES, Record, line_of
from penstock_worker.record_files import RecordFiles
from penstock_worker.sampling import sampled
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from penstock_worker.collection import Collections
    from penstock_worker.counters import Counters

MOST_RECORDS = 10_000
MOST_BYTES = 64 * 1024 * 1024
_PAUSE = 0.4  # seconds between two looks at what has come
_LONGEST = 0.4  # seconds until lines that are made are written, though there are more to make
_TURN, _BREATH = 0.00005, 0.00005  # seconds of work, and of rest: what a request may have to wait
_WRITTEN_AT_ONCE = 256 * 1024  # bytes


class Collector:
    """The records of one process, named `instance`. `folder` is that of the deployment, in that of its endpoint."""

    def __init__(self, collections: Collections, folder: str, instance: str, counters: Counters) -> None:
        self.collections = collections
        self.request_id = b""  # of the request that is being answered
        self._folder = folder
        endpoint, deployment = os.path.normpath(folder).split(os.sep)[-2:]
        self._source = f"/onlineEndpoints/{endpoint}/deployments/{deployment}"
        self._instance = instance
        self._counters = counters
        self._open = False
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def open(self) -> None:
        """From now on records are kept; what came before was for the sample request."""
        self._open = True

    def wants(self, collection: str, correlation: bytes) -> bool:
        """True if the record with this correlation id is to be kept."""
        rate = self.collections.rates.get(collection)
        return rate is not None and sampled(correlation, rate)

    def put(self, record: Record) -> bool:
        """Take a record; False if there is no room and it is dropped. Never waits, never raises."""
        if not self._open:
            return True
        with self._lock:
            if len(self._waiting) >= MOST_RECORDS or self._held + record.size > MOST_BYTES:
                self.drop(record.collection)
                return False
            self._waiting.append(record)
            self._held += record.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="penstock-collector", daemon=True)
                self._thread.start()
        return True

    def drop(self, collection: str, count: int = 1) -> None:
        """Count records that are lost."""
        self._counters.add("penstock_collected_dropped_total", count, collection=collection)

    def close(self, timeout: float = 5.0) -> None:
        """Write what has come, and take no more."""
        self._open = False
        thread = self._thread
        if thread is not None:
            self._closing.set()
            thread.join(timeout)

    def _begin(self) -> None:
        """Also in a forked child: it has no threads, what waits is its parent's to write, and so are the files."""
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._waiting: deque[Record] = deque()
        self._held = 0
        self._thread: threading.Thread | None = None
        self._mark = uuid.uuid4().hex[:12]
        self._number = 0
        self._files = RecordFiles(self._folder, f"{self._instance}-{self._mark}", self.collections.rolling)
        self._lines: dict[str, list[bytes]] = {}
        self._size = 0
        self._complained = 0.0

    def _work(self) -> None:
        while True:
            closing = self._closing.wait(_PAUSE)
            self._write_waiting()
            if closing:
                return

    def _write_waiting(self) -> None:
        until = time.monotonic() + _LONGEST
        yielding = time.perf_counter() + _TURN
        while self._waiting:
            with self._lock:
                record = self._waiting.popleft()
                self._held -= record.size
            self._make_line(record)
            if self._size > _WRITTEN_AT_ONCE or time.monotonic() > until:
                self._write()
                until = time.monotonic() + _LONGEST
            if time.perf_counter() > yielding:
                time.sleep(_BREATH)  # requests that wait for the interpreter go first
                yielding = time.perf_counter() + _TURN
        self._write()

    def _make_line(self, record: Record) -> None:
        self._number += 1
        identifier = f"{self._mark}-{self._number:x}"
        try:
            data, beside = record.content()
            beside = beside or len(data) > MAX_LINE_BYTES
            if beside:
                path = self._files.put_beside(record.collection, identifier, data, time.time())
                data = b'"%b"' % path.encode("ascii")
            line = line_of(record, identifier, self._source, data, beside=beside)
        except Exception as error:  # noqa: BLE001 - a user's value may raise anything while it is turned into JSON
            self._lose(record.collection, 1, error)
            return
        self._lines.setdefault(record.collection, []).append(line)
        self._size += len(line)

    def _write(self) -> None:
        lines, self._lines, self._size = self._lines, {}, 0
        for collection, made in lines.items():
            try:
                self._files.append(collection, b"".join(made), time.time())
            except OSError as error:
                self._lose(collection, len(made), error)
            else:
                self._counters.add("penstock_collected_total", len(made), collection=collection)

    def _lose(self, collection: str, count: int, error: Exception) -> None:
        with self._lock:
            self.drop(collection, count)
        if time.monotonic() - self._complained > 60 or not self._complained:
            self._complained = time.monotonic()
            log.warning("records of collection %s are dropped: %s", collection, summary(error))

"""What an instance has done since its start, in a file that its processes write about once a second.

A file, for who asks an instance that works on a long request waits as long as that; and where several processes serve
as one instance, nobody can choose which of them answers. Each has a place of its own in it: a length, a checksum, and
JSON, written over what was there. A process that takes the place of an ended one goes on from its sums.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from zlib import crc32

from penstock_worker.counters import Counters
from penstock_worker.kinds import is_object
from penstock_worker.logs import log
from penstock_worker.memory import resident
from penstock_worker.stages import Totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from penstock_worker.stages import Stages

_HEAD = struct.Struct("<II")  # length and checksum of the JSON behind it
PLACE_BYTES = 64 * 1024
MOST_PLACES = 256


class Measures:
    """The file at `path`, made anew for the `places` processes of an instance. `path` None: none is kept."""

    def __init__(self, path: Path | None, places: int = 1, memory_bytes: int | None = None) -> None:
        self.places = places
        self._memory_bytes = memory_bytes  # the limit of all processes together
        self.making = os.urandom(16).hex()  # the key to its tape, too: only who may read the file learns it
        self._file: int | None = None
        if path is None:
            return
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            log.warning("nobody will learn what this instance does: %s: %s", path, error)

    def place(self, number: int, stages: Stages, counters: Counters) -> Place:
        """That of the process which calls this, the `number`-th."""
        return Place(self, number, stages, counters)

    def write(self, number: int, sums: dict[str, Any]) -> None:
        """Replace what is in a place. A disk that is full keeps what was there."""
        if self._file is None:
            return
        told = {"making": self.making, "memory_limit": self._memory_bytes, "processes": self.places, **sums}
        text = json.dumps(told, separators=(",", ":")).encode("ascii")
        if len(text) > PLACE_BYTES - _HEAD.size:
            told.pop("counters")
            text = json.dumps(told, separators=(",", ":")).encode("ascii")
        with suppress(OSError):
            os.pwrite(self._file, _HEAD.pack(len(text), crc32(text)) + text, number * PLACE_BYTES)

    def read(self, number: int) -> dict[str, Any]:
        """What is in a place; empty if there is nothing, or a process is writing there at this moment."""
        if self._file is None:
            return {}
        with suppress(OSError):
            return told_in(os.pread(self._file, PLACE_BYTES, number * PLACE_BYTES))
        return {}


class Place:
    """One process's sums: those of the ended process whose place it takes, and its own."""

    def __init__(self, measures: Measures, number: int, stages: Stages, counters: Counters) -> None:
        self._measures = measures
        self._number = number
        self._stages = stages
        self._counters = counters
        self._before = measures.read(number)

    def write(self) -> dict[str, Any]:
        """To be called about once a second; what was written."""
        sums = self.sums()
        self._measures.write(self._number, sums)
        return sums

    def sums(self) -> dict[str, Any]:
        """This process's, as JSON has them."""
        totals = self._stages.totals()
        own: dict[str, Any] = {
            "pid": os.getpid(),
            "at": time.time(),
            "cpu": time.process_time(),
            "memory": resident()[0],
            **told_of(totals),
            "counters": self._counters.told(),
        }
        return added(own, self._before) if self._before else own

    def whole(self) -> dict[str, Any]:
        """Those of all processes of the instance: of the others as they last wrote them."""
        sums = self.write()
        for number in range(self._measures.places):
            if number != self._number:
                sums = added(sums, self._measures.read(number), memory=True)
        return sums


def told_of(totals: Totals) -> dict[str, Any]:
    """Sums as JSON has them."""
    return {
        "requests": totals.requests,
        "rows": totals.rows,
        "seconds": totals.seconds,
        "statuses": totals.statuses,
        "others": totals.others,
        "batches": totals.batches,
        "latency": totals.latency,
        "latency_seconds": totals.latency_seconds,
    }


def totals_of(sums: Mapping[str, Any]) -> Totals:
    """What `told_of` told."""
    totals = Totals()
    totals.requests, totals.rows = sums["requests"], sums["rows"]
    totals.seconds = dict(sums["seconds"])
    totals.statuses, totals.others, totals.batches = (
        Counter({int(name): count for name, count in sums[kind].items()}) for kind in ("statuses", "others", "batches")
    )
    totals.latency = {int(bucket): count for bucket, count in sums["latency"].items()}
    totals.latency_seconds = sums["latency_seconds"]
    return totals


def added(sums: dict[str, Any], others: dict[str, Any], *, memory: bool = False) -> dict[str, Any]:
    """`sums` and those of another process; the memory of an ended one is free again."""
    if not others:
        return sums
    whole = dict(sums)
    for name in ("requests", "rows", "latency_seconds", "cpu", *(("memory",) if memory else ())):
        whole[name] = sums[name] + others.get(name, 0)
    for name in ("seconds", "statuses", "others", "batches", "latency"):
        whole[name] = _added(sums[name], others.get(name, {}))
    whole["counters"] = _added_counters(sums["counters"], others.get("counters", []))
    return whole


def told_in(content: bytes) -> dict[str, Any]:
    """What is in a place with this content; empty if it is nothing whole."""
    if len(content) < _HEAD.size:
        return {}
    length, checksum = _HEAD.unpack_from(content)
    text = content[_HEAD.size : _HEAD.size + length]
    if not length or len(text) != length or crc32(text) != checksum:
        return {}
    told = json.loads(text)
    return told if is_object(told) else {}


def _added(one: dict[Any, Any], other: dict[Any, Any]) -> dict[str, Any]:
    """JSON has names for numbers: so have the sums."""
    whole = {str(name): value for name, value in one.items()}
    for name, value in other.items():
        whole[str(name)] = whole.get(str(name), 0) + value
    return whole


def _added_counters(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    return Counters.of((*one, *other)).told()

"""What instances say that they have done since their start, read from the files that their processes write."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from penstock.domain.instance import InstanceName
from penstock.domain.observation import Count, Told
from penstock.online.places import Places
from penstock.telemetry.series import Histogram
from penstock_worker.measures import MOST_PLACES, PLACE_BYTES, told_in


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Of all processes of one instance. `making` is another one when the instance has started anew.

    `at` is when it was written, in seconds of the host's clock; `memory_bytes` what it occupies then.
    """

    making: str
    at: float
    latency: Histogram
    processes: int = 1
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    memory_limit_bytes: int | None = None
    run: int = 0  # requests that run() was called for
    runs: float = 0.0  # calls of it


class _Place(Told):
    """What one process has written. It runs its users' code, and may be of another version."""

    making: str = Field(min_length=1, max_length=64)
    at: float
    cpu: float = Field(ge=0)
    memory: Count = 0
    memory_limit: Count | None = None
    processes: Annotated[int, Field(ge=1, le=MOST_PLACES)] = 1
    requests: Count = 0
    batches: dict[int, Count] = {}
    latency: dict[Annotated[int, Field(ge=0, lt=256)], Count] = {}


def sums_of(places: Places, name: InstanceName) -> Sums | None:
    """What an instance says, wherever it runs; None if it says nothing that can be understood."""
    return read_sums(places.measures(name)) or read_sums(places.shared_measures(name))


def read_sums(path: Path) -> Sums | None:
    """What the file at `path` says; None if it says nothing that can be understood."""
    with suppress(OSError):
        # Neither a link out of the folder nor a pipe that nobody writes to.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            first = _place(file, 0)
            if first is None:
                return None
            others = (_place(file, number) for number in range(1, first.processes))
            return _sums([first, *(place for place in others if place is not None and place.making == first.making)])
        finally:
            os.close(file)
    return None


def _place(file: int, number: int) -> _Place | None:
    try:
        return _Place.model_validate(told_in(os.pread(file, PLACE_BYTES, number * PLACE_BYTES)))
    except (ValidationError, ValueError, RecursionError):
        return None


def _sums(places: list[_Place]) -> Sums:
    counts: dict[int, int] = {}
    for place in places:
        for bucket, count in place.latency.items():
            counts[bucket] = counts.get(bucket, 0) + count
    return Sums(
        making=places[0].making,
        processes=places[0].processes,
        at=sum(place.at for place in places) / len(places),
        cpu_seconds=sum(place.cpu for place in places),
        memory_bytes=sum(place.memory for place in places),
        memory_limit_bytes=places[0].memory_limit or None,
        run=sum(place.requests for place in places),
        runs=sum(count / max(1, size) for place in places for size, count in place.batches.items()),
        latency=Histogram(counts),
    )

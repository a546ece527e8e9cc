"""One cell of the table: a server under a load, with what its processes used meanwhile."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from load import Load, Loaded, answers_to
from models import Trained
from processes import busy_seconds, cpu_seconds, freeze, loop_nanoseconds, own_seconds, thaw
from server import Server

_WARM_UP = 64  # requests


@dataclass(frozen=True)
class Measurement:
    """`cpu` is microseconds per request by stage; `loop` is how long a turn of a fixed Python loop took just before.

    `foreign` is how many cores others used meanwhile: neither the server nor the load.
    """

    model: str
    server: str
    peer: bool
    load: str
    round: int
    loaded: Loaded
    cpu: Mapping[str, float]
    loop: float
    foreign: float

    @property
    def cpu_in_all(self) -> float:
        return sum(self.cpu.values())

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "rate": self.loaded.rate}


def measure(server: Server, model: Trained, load: Load, seconds: int, number: int) -> Measurement:
    """Peers are frozen unless they are measured, so that none pays for another's housekeeping."""
    peers = [process for found in server.stages().values() for process in found] if server.peer else []
    thaw(peers)
    try:
        body = server.body(model)
        answers_to(server.target, [body] * _WARM_UP, 8)
        loop = loop_nanoseconds()
        before = {stage: cpu_seconds(found) for stage, found in server.stages().items()}
        began, others = time.monotonic(), busy_seconds() - own_seconds()
        loaded = load.run(server.target, body, seconds)
        others, lasted = busy_seconds() - own_seconds() - others, time.monotonic() - began
        after = {stage: cpu_seconds(found) for stage, found in server.stages().items()}
    finally:
        freeze(peers)
    used = {
        stage: sum(spent - before.get(stage, {}).get(pid, 0.0) for pid, spent in found.items())
        for stage, found in after.items()
    }
    cpu = {stage: 1e6 * spent / max(1, loaded.answers) for stage, spent in used.items()}
    return Measurement(
        model=model.name,
        server=server.name,
        peer=server.peer,
        load=load.name,
        round=number,
        loaded=loaded,
        cpu=cpu,
        loop=loop,
        foreign=max(0.0, others - sum(used.values())) / lasted,
    )


def said(measurement: Measurement) -> str:
    """A line for whoever waits."""
    m, found = measurement, measurement.loaded
    stages = ", ".join(f"{stage} {spent:,.0f}" for stage, spent in m.cpu.items())
    return (
        f"{time.strftime('%H:%M:%S')}  round {m.round}  {m.model}  {m.load:9} {m.server:22} {found.rate:9,.0f}/s"
        f"  p50 {found.p50:8.2f}  p99 {found.p99:8.2f}  p99.9 {found.p999:8.2f} ms  failed {found.failures:5}"
        f"  cpu {stages} us"
    )

"""Ways to load a server: closed loop (connections that ask again when answered) and open loop (Poisson arrivals)."""

import gc
import json
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connection import Pool
from target import Target

_OPEN_CONNECTIONS = 256
_AFTERWARDS = 2.0  # seconds that answers may still come in

_WRK = """
wrk.method, wrk.path = "POST", [===[{path}]===]
wrk.headers["Content-Type"] = "application/json"
{headers}
wrk.body = [===[{body}]===]
function done(summary, latency)
  local failed = summary.errors
  local broken = failed.connect + failed.read + failed.write + failed.timeout
  io.write(string.format('{{"seconds": %f, "answers": %d, "refused": %d, "broken": %d, ',
    summary.duration / 1e6, summary.requests, failed.status, broken))
  io.write(string.format('"p50": %f, "p99": %f, "p999": %f}}\\n',
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
"""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a load has met. Percentiles are milliseconds; `failures` are answers other than 200, and missing ones."""

    seconds: float
    answers: int
    failures: int
    p50: float
    p99: float
    p999: float

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


@dataclass(frozen=True)
class Closed:
    connections: int

    @property
    def name(self) -> str:
        return f"c={self.connections}"

    def run(self, target: Target, body: bytes, seconds: int) -> Loaded:
        """By wrk, where it is installed and can connect: it does not speak to unix sockets."""
        if isinstance(target.place, int) and shutil.which("wrk"):
            return _wrk(target, body, self.connections, seconds)
        return _closed_loop(target, body, self.connections, seconds)


@dataclass(frozen=True)
class Open:
    """Requests come at random times, so many per second on average, whether earlier ones were answered or not."""

    rate: int

    @property
    def name(self) -> str:
        return f"{self.rate:,}/s"

    def run(self, target: Target, body: bytes, seconds: int) -> Loaded:
        return _open_loop(target, body, self.rate, seconds)


Load = Closed | Open


def answers_to(target: Target, bodies: Sequence[bytes], connections: int) -> list[tuple[int, bytes]]:
    """Status and body of the answer to each, asked for over so many connections at once."""
    found: list[tuple[int, bytes]] = [(0, b"")] * len(bodies)
    pool = Pool(target.place, connections)
    limit = time.monotonic() + 60
    sent = 0
    try:
        while (sent < len(bodies) or pool.waiting) and time.monotonic() < limit:
            while sent < len(bodies) and pool.free:
                pool.send(target.request(bodies[sent]), 0.0, sent)
                sent += 1
            for connection, status, body in pool.answered(1.0):
                found[connection.number] = (status, body)
    finally:
        pool.close()
    return found


def _wrk(target: Target, body: bytes, connections: int, seconds: int) -> Loaded:
    headers = "\n".join(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}" for k, v in target.headers.items())
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"  # not arguments, which everybody may read: headers hold a key
        script.write_text(_WRK.format(path=target.path, headers=headers, body=body.decode()))
        options = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script))
        command = ("wrk", *options, f"http://127.0.0.1:{target.place}")
        said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if said.returncode:
        raise SystemExit(f"wrk ended with code {said.returncode}: {said.stdout[-500:]}{said.stderr[-500:]}")
    found = json.loads(said.stdout.strip().splitlines()[-1])
    return Loaded(
        seconds=found["seconds"],
        answers=found["answers"] - found["refused"],
        failures=found["refused"] + found["broken"],
        p50=found["p50"],
        p99=found["p99"],
        p999=found["p999"],
    )


def _closed_loop(target: Target, body: bytes, connections: int, seconds: float) -> Loaded:
    request = target.request(body)
    latencies: list[float] = []
    failures = 0
    pool = Pool(target.place, connections)
    now = time.perf_counter
    began = now()
    end = began + seconds
    gc.disable()
    try:
        while True:
            while pool.free and now() < end:
                pool.send(request, now())
            if not pool.waiting or now() > end + _AFTERWARDS:
                break
            for connection, status, _ in pool.answered(1.0):
                latencies.append(now() - connection.due)
                failures += status != 200
        ended = now()
        missing = [ended - connection.due for connection in pool.pending()]
    finally:
        gc.enable()
        pool.close()
    return _loaded(ended - began, latencies, failures, missing)


def _open_loop(target: Target, body: bytes, rate: int, seconds: float) -> Loaded:
    """A latency counts from when the request was due; one without an answer counts as if answered at the very end."""
    draw = random.Random(rate)
    due, at = [], 0.0
    while (at := at + draw.expovariate(rate)) < seconds:
        due.append(at)
    request = target.request(body)
    latencies: list[float] = []
    failures = sent = 0
    pool = Pool(target.place, _OPEN_CONNECTIONS)
    clock = time.perf_counter
    began = clock() + 0.01
    gc.disable()
    try:
        while (sent < len(due) or pool.waiting) and (now := clock() - began) < seconds + _AFTERWARDS:
            while pool.free and sent < len(due) and due[sent] <= now:
                pool.send(request, due[sent])
                sent += 1
            pause = due[sent] - (clock() - began) if pool.free and sent < len(due) else 0.5
            for connection, status, _ in pool.answered(pause):
                latencies.append(clock() - began - connection.due)
                failures += status != 200
        ended = clock() - began
        missing = [ended - c.due for c in pool.pending()] + [ended - at for at in due[sent:]]
    finally:
        gc.enable()
        pool.close()
    return _loaded(max(ended, seconds), latencies, failures, missing)


def _loaded(seconds: float, latencies: list[float], failures: int, missing: list[float]) -> Loaded:
    ordered = sorted((*latencies, *missing)) or [float("nan")]

    def percentile(percent: float) -> float:
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    return Loaded(
        seconds=seconds,
        answers=len(latencies) - failures,
        failures=failures + len(missing),
        p50=percentile(50),
        p99=percentile(99),
        p999=percentile(99.9),
    )

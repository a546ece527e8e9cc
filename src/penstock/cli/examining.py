"""One examination by `penstock doctor`: looks, requests of its own where nobody else sends any, load, the diagnosis."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.cli.errors import notice
from penstock.client.capacity import measure, sized_for
from penstock.client.load import Measured, Target, closed_loop, open_loop, target
from penstock.domain.observation import Capacity, Diagnosis, Evidence, Look, Step, Times, percentiles

if TYPE_CHECKING:
    from penstock.client.client import Client

_PARTS = 6  # in which memory is looked at
_LISTEN_SECONDS = 1.0  # for the requests of others
_MOST_OWN = 2000  # requests that are made where there are no others


@dataclass(frozen=True)
class Examined:
    """What is examined, and how. `target` is the p99 for load; without it, none is made."""

    endpoint: str
    deployment: str
    seconds: float
    bodies: Sequence[bytes] | None
    target: float | None
    rate: float | None


def examined(client: "Client", asked: Examined) -> Diagnosis:
    """1. A trace begins.
    2. Requests of others are waited for; if none come, some are sent, one after the other.
    3. Load, if it is asked for; tracing has ended by then.
    4. The platform makes the diagnosis of all that.
    """
    part = min(asked.seconds, 100.0) if asked.target is None else min(asked.seconds, 5.0)
    looks = [client.observations.trace(asked.endpoint, asked.deployment, part)]
    callers = None
    if asked.bodies is None and _others(client, asked, looks, part):
        looks += _watched(client, asked, part - _LISTEN_SECONDS)
        to = _target(client, asked) if asked.target is not None else None
    else:
        to = _target(client, asked)
        callers, seen = _sent(client, asked, to, part)
        looks += seen
    capacity = None
    if to is not None and asked.target is not None:
        capacity = _loaded(client, asked, to, looks[-1])
    evidence = Evidence(looks=tuple(looks), callers=callers, capacity=capacity)
    return client.observations.diagnose(asked.endpoint, asked.deployment, evidence)


def _others(client: "Client", asked: Examined, looks: list[Look], part: float) -> bool:
    time.sleep(min(_LISTEN_SECONDS, part / 2))
    looks.append(_look(client, asked))
    return looks[-1].requests > looks[0].requests


def _watched(client: "Client", asked: Examined, seconds: float) -> Iterable[Look]:
    for _ in range(_PARTS):
        time.sleep(max(0.0, seconds) / _PARTS)
        yield _look(client, asked)


def _sent(client: "Client", asked: Examined, to: Target, seconds: float) -> tuple[Times | None, Sequence[Look]]:
    """What the requests took, and looks in between."""
    notice(f"no other requests come: {asked.endpoint}/{asked.deployment} is sent some, one after the other")
    measured: list[Measured] = []
    looks: list[Look] = []
    until = time.monotonic() + seconds
    for part in range(_PARTS):
        if part and time.monotonic() > until:
            break
        measured.append(closed_loop(to, 1, seconds / _PARTS, _MOST_OWN // _PARTS))
        looks.append(_look(client, asked))
    times = [each for part in measured for each in part.times]
    return (percentiles(times) if times else None), looks


def _loaded(client: "Client", asked: Examined, to: Target, look: Look) -> Capacity:
    ready = sum(i.phase == "ready" for i in look.instances)

    def closed(connections: int, seconds: float) -> Measured:
        return _told(closed_loop(to, connections, seconds))

    def open_(rate: float, connections: int, seconds: float) -> Measured:
        return _told(open_loop(to, rate, connections, seconds))

    return sized_for(measure(closed, open_, asked.seconds, asked.target or 0.0, max(1, ready)), asked.rate)


def _told(measured: Measured) -> Measured:
    notice(step_line(measured.step()))
    return measured


def step_line(step: Step) -> str:
    """One step of load in a line."""
    how = f"{step.offered:.0f} requests/s at random times" if step.offered else f"{step.connections} connections"
    errors = f", {step.errors} errors" if step.errors else ""
    return f"  {how}: {step.rate:.0f} requests/s, p50 {step.p50 * 1000:.1f} ms, p99 {step.p99 * 1000:.1f} ms{errors}"


def _look(client: "Client", asked: Examined) -> Look:
    return client.observations.look(asked.endpoint, asked.deployment)[0]


def _target(client: "Client", asked: Examined) -> Target:
    """The endpoint as any caller has it, past its traffic."""
    bodies = asked.bodies
    if bodies is None:
        bodies = [client.observations.sample(asked.endpoint, asked.deployment)]
    uri = client.online_endpoints.scoring_uri(asked.endpoint)
    key = client.online_endpoints.credentials(asked.endpoint).primaryKey
    return target(uri, bodies, {"Authorization": f"Bearer {key}", "azureml-model-deployment": asked.deployment})

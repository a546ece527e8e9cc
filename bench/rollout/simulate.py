"""How often a rollout between equal deployments is rolled back, and how soon a bad deployment is: by simulation.

The simulated traffic is judged by the functions that judge real traffic. See README.md.
"""

import argparse
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat

from penstock.domain.rollout import Choice, Finding, Reference, Rollout
from penstock.online.evidence import Evidence
from penstock.online.guards import PATIENCE, findings, reference_of, setting_of
from penstock.online.steps import View, decide
from penstock.telemetry.series import Histogram, Window, bucket_of

_BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Model:
    """How a deployment answers: shares, seconds, and predictions.

    `swing` is the standard deviation of the logarithm of its own slow changes of latency, which last `memory` seconds;
    `bursts` the share of seconds in which a tenth of its requests fail.
    """

    errors: float = 0.001
    refusals: float = 0.01
    median: float = 0.020
    spread: float = 0.5
    swing: float = 0.0
    memory: float = 10.0
    bursts: float = 0.0
    mean: float = 0.0
    classes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scenario:
    name: str
    old: Model
    new: Model
    equal: bool = True


_PLAIN = Model()
_CLASSES = Model(classes=(0.6, 0.3, 0.1))
EQUAL = (
    Scenario("equal", _PLAIN, _PLAIN),
    Scenario("equal, no errors at all", Model(errors=0, refusals=0), Model(errors=0, refusals=0)),
    Scenario("equal, 5 % errors, 20 % refused", *[Model(errors=0.05, refusals=0.2)] * 2),
    Scenario("equal, latency swings by 20 % for 10 s", *[Model(swing=0.2, memory=10)] * 2),
    Scenario("equal, latency swings by 20 % for 60 s", *[Model(swing=0.2, memory=60)] * 2),
    Scenario("equal, latency swings by 30 % for 30 s", *[Model(swing=0.3, memory=30)] * 2),
    Scenario("equal, heavy tail", *[Model(spread=1.2, swing=0.2)] * 2),
    Scenario("equal, errors in bursts", *[Model(bursts=0.03)] * 2),
    Scenario("equal, three classes", _CLASSES, _CLASSES),
)
WORSE = (
    Scenario("2 % errors", _PLAIN, Model(errors=0.02), equal=False),
    Scenario("50 % errors", _PLAIN, Model(errors=0.5), equal=False),
    Scenario("10 % refused (1 % before)", _PLAIN, Model(refusals=0.1), equal=False),
    Scenario("2x latency", _PLAIN, Model(median=0.040), equal=False),
    Scenario("2x latency, which swings for 10 s", Model(swing=0.3), Model(swing=0.3, median=0.040), equal=False),
    Scenario("predictions shifted by 0.5 sd", _PLAIN, Model(mean=0.5), equal=False),
    Scenario("one class + 10 points", _CLASSES, Model(classes=(0.7, 0.24, 0.06)), equal=False),
)


class Traffic:
    """What one deployment does, second by second."""

    def __init__(self, model: Model, rng: random.Random) -> None:
        self._model = model
        self._rng = rng
        self._level = rng.gauss(0, model.swing)

    def second(self, start: datetime, requests: int, length: float) -> tuple[Window, list[dict[str, float | str]]]:
        model, rng = self._model, self._rng
        kept = math.exp(-length / model.memory)
        self._level = kept * self._level + math.sqrt(1 - kept * kept) * rng.gauss(0, model.swing)
        errors = 0.1 if rng.random() < model.bursts else model.errors
        failed = sum(rng.random() < errors for _ in range(requests))
        refused = sum(rng.random() < model.refusals for _ in range(requests - failed))
        counts: dict[int, int] = {}
        for _ in range(requests):
            bucket = bucket_of(model.median * math.exp(self._level + rng.gauss(0, model.spread)))
            counts[bucket] = counts.get(bucket, 0) + 1
        rows = [{"prediction": self._prediction()} for _ in range(requests - failed - refused)]
        window = Window(
            start=start,
            end=start + timedelta(seconds=length),
            seconds=length,
            requests=requests,
            refused=refused,
            failed=failed,
            latency=Histogram(counts),
            ready=1.0,
        )
        return window, rows

    def _prediction(self) -> float | str:
        model, rng = self._model, self._rng
        if not model.classes:
            return rng.gauss(model.mean, 1)
        return rng.choices("abc", model.classes)[0]


@dataclass(frozen=True)
class Result:
    rolled_back: bool
    guards: tuple[str, ...]
    step: int
    requests: int  # that the new deployment answered
    seconds: float


def simulate(scenario: Scenario, spec: Rollout, rate: float, seed: int, look: float = 1.0) -> Result:
    """One rollout at `rate` requests a second, looked at every `look` seconds."""
    rng = random.Random(seed)
    old, new = Traffic(scenario.old, rng), Traffic(scenario.new, rng)
    now, answered = _BEGIN, 0
    reference: Reference | None = None
    step, since, evidence = 0, now, Evidence()
    while True:
        percent = spec.stages[step].percent
        arrivals = _poisson(rng, rate * look)
        ours = sum(rng.random() * 100 < percent for _ in range(arrivals))
        (theirs_window, theirs_rows), (window, rows) = (
            old.second(now, arrivals - ours, look),
            new.second(now, ours, look),
        )
        now += timedelta(seconds=look)
        answered += ours
        evidence = evidence.with_look(window, theirs_window).with_rows(rows, theirs_rows)
        patient = now - since >= min(PATIENCE, spec.bake_of(step))
        setting = setting_of(spec.guards, len(spec.stages), alone=percent == 100, reference=reference, patient=patient)
        found = findings(spec.guards, evidence, setting)
        verdict = decide(
            spec, View(step=step, since=since, requests=evidence.requests, looks=evidence.looks, findings=found), now
        )
        if verdict.choice is Choice.ROLL_BACK:
            return Result(True, _failed(found), step, answered, (now - _BEGIN).total_seconds())
        if verdict.choice is Choice.DONE:
            return Result(False, (), step, answered, (now - _BEGIN).total_seconds())
        if verdict.choice is Choice.ADVANCE:
            reference = reference_of(evidence, reference)
            step, since, evidence = step + 1, now, Evidence()


def _failed(found: tuple[Finding, ...]) -> tuple[str, ...]:
    return tuple(finding.guard for finding in found if finding.state == "failed")


def _poisson(rng: random.Random, mean: float) -> int:
    """By the normal distribution where that is as good."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    product, count, floor = rng.random(), 0, math.exp(-mean)
    while product > floor:
        product *= rng.random()
        count += 1
    return count


def _rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    spec = Rollout(to="new", bake_time=timedelta(seconds=options.bake), minimum_requests=options.requests)
    wanted = [s for s in (*EQUAL, *WORSE) if options.only in s.name]
    with ProcessPoolExecutor(options.processes) as pool:
        for scenario in wanted:
            begun = time.monotonic()
            count = options.rollouts if scenario.equal else options.rollouts // 5
            seeds = range(options.seed, options.seed + count)
            job: Callable[..., Result] = simulate
            results = list(
                pool.map(
                    job, repeat(scenario), repeat(spec), repeat(options.rate), seeds, repeat(options.look), chunksize=5
                )
            )
            yield _summary(scenario, results, time.monotonic() - begun)


def _summary(scenario: Scenario, results: list[Result], took: float) -> dict[str, object]:
    back = [result for result in results if result.rolled_back]
    guards: dict[str, int] = {}
    for name in (name for result in back for name in result.guards):
        guards[name] = guards.get(name, 0) + 1
    requests = sorted(result.requests for result in back) or [0]
    seconds = sorted(result.seconds for result in back) or [0.0]
    return {
        "scenario": scenario.name,
        "rollouts": len(results),
        "rolled_back": len(back),
        "at_most": round(_upper(len(back), len(results)), 5),
        "guards": guards,
        "requests_median": statistics.median(requests),
        "requests_p95": requests[int(0.95 * (len(requests) - 1))],
        "seconds_median": statistics.median(seconds),
        "seconds_p95": seconds[int(0.95 * (len(seconds) - 1))],
        "in_first_step": sum(result.step == 0 for result in back),
        "took": round(took, 1),
    }


def _upper(hits: int, total: int) -> float:
    """Upper end of the one-sided 95 % interval of a share (Clopper and Pearson), by bisection."""
    low, high = hits / total, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(math.comb(total, k) * middle**k * (1 - middle) ** (total - k) for k in range(hits + 1))
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=1000, help="of each scenario of equals; a fifth of the others")
    parser.add_argument("--requests", type=int, default=1000, help="minimum_requests of a step")
    parser.add_argument("--bake", type=float, default=0.0, help="bake_time in seconds")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second to the endpoint")
    parser.add_argument("--look", type=float, default=1.0, help="seconds between looks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    for row in _rows(parser.parse_args()):
        print(json.dumps(row))
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Guards that ask others: metrics of instances or of a URL, and URLs that say whether all is well."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from penstock.domain.rollout import Finding, Guards, HttpCheck, MetricGuard
from penstock.online.exposition import Exposition, parse

_INTERVAL = timedelta(seconds=5)
_LOOKS = 3  # one after the other, in which a metric must be bad
_SECONDS = 2.0  # for a whole answer
_MOST_BYTES = 1_000_000

Metrics = Callable[[], Exposition]


@dataclass(frozen=True)
class _Known:
    """What a guard said last, how many times in a row it was bad, and a counter's value to compare with."""

    finding: Finding
    bad: int = 0
    at: datetime | None = None
    counters: tuple[float, float | None] | None = None


@dataclass
class Checks:
    """The metric guards and checks of one step. Others are asked in threads of their own: no look waits for them."""

    _known: dict[str, _Known] = field(default_factory=dict[str, _Known])
    _asked: dict[str, Future[Exposition | str | None]] = field(
        default_factory=dict[str, Future[Exposition | str | None]]
    )

    def findings(
        self, guards: Guards, deployments: tuple[str, Sequence[str]], metrics: Metrics, now: datetime, pool: Executor
    ) -> tuple[Finding, ...]:
        """What they say; they are asked every few seconds. `deployments` are the new and the old ones, as
        ENDPOINT/DEPLOYMENT."""
        for check in guards.checks:
            name = f"check {check.url}"
            for answer in self._answer(name, lambda url=check.url: _status(url), now, pool):
                self._known[name] = _checked(name, check, answer, (self._known.get(name), now))
        for guard in guards.metrics:
            name = _name_of(guard)
            ask = metrics if guard.url is None else lambda url=guard.url: _page(url)
            for page in self._answer(name, ask, now, pool):
                told = page if isinstance(page, Exposition) else None
                self._known[name] = _measured(name, guard, told, deployments, (self._known.get(name), now))
        return tuple(known.finding for known in self._known.values())

    def _answer(
        self, name: str, ask: Callable[[], Exposition | str | None], now: datetime, pool: Executor
    ) -> Iterator[Exposition | str | None]:
        """What was answered since the last look, if anything was; asks again where that is due."""
        asked = self._asked.get(name)
        if asked is not None and asked.done():
            del self._asked[name]
            yield asked.result() if asked.exception() is None else "cannot be asked"
        elif asked is None and self._due(name, now):
            self._asked[name] = pool.submit(ask)

    def _due(self, name: str, now: datetime) -> bool:
        known = self._known.get(name)
        return known is None or known.at is None or now - known.at >= _INTERVAL


def _name_of(guard: MetricGuard) -> str:
    """Two guards may ask for one metric in two places."""
    return f"metric {guard.name}" + (f" of {guard.url}" if guard.url is not None else "")


def _checked(
    name: str, check: HttpCheck, fault: Exposition | str | None, since: tuple[_Known | None, datetime]
) -> _Known:
    before, now = since
    if fault is None:
        return _Known(Finding(guard=name, state="ok", message="answers 2xx"), 0, now)
    bad = (before.bad if before else 0) + 1
    state = "failed" if bad >= check.failures else "ok"
    told = f"{fault}, {bad} of {check.failures} times in a row"
    return _Known(Finding(guard=name, state=state, message=told), bad, now)


def _measured(
    name: str,
    guard: MetricGuard,
    page: Exposition | None,
    deployments: tuple[str, Sequence[str]],
    since: tuple[_Known | None, datetime],
) -> _Known:
    before, now = since
    new, olds = deployments
    if page is None:
        return _Known(Finding(guard=name, state="unknown", message="cannot be read"), 0, now)
    if guard.url is not None:
        ours, theirs = _value(page, guard.name, None), None
    else:
        ours = _value(page, guard.name, (new,))
        theirs = _value(page, guard.name, olds) if olds else None
    counters = None
    if page.types.get(guard.name) == "counter" and ours is not None:
        counters = (ours, theirs)
        ours, theirs = _growth(before, counters, now)
    if ours is None:
        return _Known(Finding(guard=name, state="unknown", message="not told yet"), 0, now, counters)
    fault = _fault(guard, ours, theirs)
    bad = (before.bad if before else 0) + 1 if fault else 0
    state = "failed" if bad >= _LOOKS else "ok"
    return _Known(Finding(guard=name, state=state, message=fault or f"{ours:g}"), bad, now, counters)


def _value(page: Exposition, name: str, deployments: Sequence[str] | None) -> float | None:
    """The mean over instances, or over all samples of a page of one's own."""
    wanted = {tuple(each.split("/")) for each in deployments} if deployments is not None else None
    values = [
        sample.value
        for sample in page.samples
        if sample.name == name
        and (wanted is None or (sample.labels.get("endpoint"), sample.labels.get("deployment")) in wanted)
    ]
    return sum(values) / len(values) if values else None


def _growth(
    before: _Known | None, counters: tuple[float, float | None], now: datetime
) -> tuple[float | None, float | None]:
    """A second, since the last look; None where there was none, or the counter began anew."""
    if before is None or before.counters is None or before.at is None:
        return None, None
    seconds = (now - before.at).total_seconds()
    grown = [
        None if was is None or is_ is None or is_ < was or seconds <= 0 else (is_ - was) / seconds
        for was, is_ in zip(before.counters, counters, strict=True)
    ]
    return grown[0], grown[1]


def _fault(guard: MetricGuard, ours: float, theirs: float | None) -> str:
    if guard.maximum is not None and ours > guard.maximum:
        return f"{ours:g} is above the maximum {guard.maximum:g}"
    if guard.minimum is not None and ours < guard.minimum:
        return f"{ours:g} is below the minimum {guard.minimum:g}"
    if guard.relative is not None and theirs is not None and ours > theirs * guard.relative:
        return f"{ours:g} is above {guard.relative:g} times the old deployment's {theirs:g}"
    return ""


def _status(url: str) -> str | None:
    """None if the URL answers 2xx, else what is wrong. Its body is not read."""
    try:
        with httpx.Client(trust_env=False, timeout=_SECONDS) as http, http.stream("GET", url) as response:
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as err:
        return f"does not answer ({type(err).__name__})"
    return None if 200 <= status < 300 else f"answers {status}"


def _page(url: str) -> Exposition | None:
    """What the URL tells; None if it does not within bounds of time and size."""
    deadline = time.monotonic() + _SECONDS
    try:
        with httpx.Client(trust_env=False, timeout=_SECONDS) as http, http.stream("GET", url) as response:
            received = b""
            for piece in response.iter_bytes():  # as they come: pieces of a size would be waited for
                received += piece
                if len(received) > _MOST_BYTES or time.monotonic() > deadline:
                    return None
            return parse(received.decode(errors="replace")) if response.status_code == 200 else None
    except (httpx.HTTPError, httpx.InvalidURL):
        return None

"""Compares the answers of shadows with those that callers got, while requests are mirrored."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from penstock.control.clock import Clock
from penstock.control.loop import STOP, Loop
from penstock.control.resources import Resources
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import PenstockError, invalid, not_found
from penstock.domain.shadow import ShadowReport, Side, tolerance
from penstock.gateway.base import Copies, Gateway
from penstock.online.shadow_pairs import Pairs
from penstock.online.shadow_sums import Sums, examples, latency, together
from penstock.telemetry.series import Windows
from penstock.telemetry.tape import Tapes

log = logging.getLogger(__name__)

_INTERVAL = timedelta(seconds=2)
_SPAN = timedelta(seconds=10)
_KEPT = timedelta(hours=1)
_ROLLING = timedelta(seconds=20)
_PER_SECOND = 200.0  # requests that are compared
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

Names = tuple[str, str, str]  # endpoint, live deployment, shadow


class _Comparison:
    """One shadow beside one live deployment."""

    def __init__(self, deployments: Iterable[str], since: datetime) -> None:
        self.pairs = Pairs()
        self.spans: deque[Sums] = deque()
        self.read_until = dict.fromkeys(deployments, since)
        self.share = 1.0

    def span(self, now: datetime) -> Sums:
        """The one that is being filled; old ones go."""
        if not self.spans or now - self.spans[-1].since >= _SPAN:
            self.spans.append(Sums(now))
        while self.spans[0].since < now - _KEPT:
            self.spans.popleft()
        return self.spans[-1]


class Shadows:
    """Compares for every mirror of every endpoint while this control plane leads; kept in memory, for an hour."""

    def __init__(
        self,
        resources: Resources,
        windows: Windows,
        tapes: Tapes,
        gateway: Gateway,
        clock: Clock,
        acting: Callable[[], bool],
    ) -> None:
        self._resources = resources
        self._windows = windows
        self._tapes = tapes
        self._gateway = gateway
        self._clock = clock
        self._acting = acting
        self._lock = threading.Lock()
        self._comparisons: dict[Names, _Comparison] = {}
        self._loop = Loop("shadows", self._turn, _INTERVAL)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """False if the thread did not end in time."""
        return self._loop.stop(timeout)

    def step(self) -> None:
        """Read the tapes of all mirrors once, and forget those of which nothing is kept any more."""
        for endpoint in self._resources.list(ONLINE_ENDPOINT):
            if endpoint.deleting_since is None:
                for names in mirrors(endpoint.name, endpoint.spec):
                    self._try(names, tolerance(endpoint.spec.properties))
        before = self._clock.now() - _KEPT
        with self._lock:
            old = [names for names, each in self._comparisons.items() if each.spans and each.spans[-1].since < before]
            for names in old:
                del self._comparisons[names]

    def report(self, endpoint: str, live: str, shadow: str, since: datetime) -> ShadowReport:
        """What was compared since then, of the last hour; empty where nothing was."""
        spec = self._resources.get(ONLINE_ENDPOINT, endpoint).spec
        now = self._clock.now()
        with self._lock:
            comparison = self._comparisons.get((endpoint, live, shadow))
            spans = [each for each in comparison.spans if each.since + _SPAN > since] if comparison is not None else []
            sums = together(spans, since)
            share = comparison.share if comparison is not None else 1.0
        copies = self._copies(f"{endpoint}/{shadow}")
        return ShadowReport(
            endpoint=endpoint,
            since=since,
            until=now,
            compared_seconds=min((now - since).total_seconds(), len(spans) * _SPAN.total_seconds()),
            share=share,
            tolerance=tolerance(spec.properties),
            live=Side(deployment=live, errors=sums.errors[0], latency=latency(sums.latencies[0])),
            shadow=Side(deployment=shadow, errors=sums.errors[1], latency=latency(sums.latencies[1])),
            pairs=sums.pairs,
            both_failed=sums.both_failed,
            rows=sums.rows,
            agreed=sums.agreed,
            absolute=sums.absolute.told(),
            relative=sums.relative.told(),
            unpaired_live=sums.unpaired[0],
            unpaired_shadow=sums.unpaired[1],
            sent=copies.sent,
            failed=copies.failed,
            dropped=copies.dropped,
            skipped=copies.skipped,
            examples=tuple(examples(sums)),
        )

    def chosen(self, endpoint: str, live: str | None, shadow: str | None) -> tuple[str, str]:
        """The live deployment and the shadow that are meant where they are not both named. Raises `invalid`."""
        spec = self._resources.get(ONLINE_ENDPOINT, endpoint).spec
        found = [names for names in mirrors(endpoint, spec) if live in (None, names[1]) and shadow in (None, names[2])]
        with self._lock:
            past = [
                n for n in self._comparisons if n[0] == endpoint and live in (None, n[1]) and shadow in (None, n[2])
            ]
        for names in (found, past):
            if len(names) == 1:
                return names[0][1], names[0][2]
        if live is not None and shadow is not None:
            return live, shadow
        if found or past:
            shadows = ", ".join(sorted({names[2] for names in found or past}))
            raise invalid(f"endpoint {endpoint!r} has several shadows: name one with --deployment ({shadows})")
        raise not_found(
            f"endpoint {endpoint!r} has no mirror traffic: give a deployment some with "
            f'`penstock online-endpoint update -n {endpoint} --mirror-traffic "NAME=50"`'
        )

    def _turn(self) -> timedelta:
        if self._acting():
            self.step()
        return _INTERVAL

    def _try(self, names: Names, allowed: float) -> None:
        try:
            self._read(names, allowed)
        except Exception:
            # Answers come from outside: whatever is wrong with these, the others are compared.
            log.exception("answers could not be compared", extra={"deployments": names})

    def _read(self, names: Names, allowed: float) -> None:
        endpoint, live, shadow = names
        now = self._clock.now()
        with self._lock:
            comparison = self._comparisons.setdefault(names, _Comparison(names[1:], _BEGINNING))
        comparison.share = self._share(f"{endpoint}/{live}", now)
        for deployment in (live, shadow):
            self._tapes.roll(endpoint, deployment, _ROLLING, comparison.share)
        until = comparison.read_until
        taped = {each: self._tapes.exchanges(endpoint, each, until[each]) for each in (live, shadow)}
        pairs = comparison.pairs.found(taped[live], taped[shadow])
        until |= {each: exchanges[-1].at for each, exchanges in taped.items() if exchanges}
        with self._lock:
            span = comparison.span(now)
            for pair in pairs:
                span.add(pair, allowed)
            lost = comparison.pairs.expired(now)
            span.unpaired = span.unpaired[0] + lost[0], span.unpaired[1] + lost[1]

    def _share(self, deployment: str, now: datetime) -> float:
        window = self._windows.window(deployment, now - _SPAN, now)
        rate = window.requests / window.seconds if window.seconds > 0 else 0.0
        return min(1.0, _PER_SECOND / rate) if rate > 0 else 1.0

    def _copies(self, shadow: str) -> Copies:
        try:
            return self._gateway.copies().get(shadow, Copies())
        except PenstockError as err:
            log.info("copies cannot be counted", extra={"error": err.message})
            return Copies()


def mirrors(endpoint: str, spec: OnlineEndpoint) -> Iterable[Names]:
    """Each shadow with the deployment that has most of the traffic. Pure."""
    live = max((name for name, share in spec.traffic.items() if share), key=lambda n: spec.traffic[n], default=None)
    if live is None:
        return []
    return [(endpoint, live, shadow) for shadow, share in spec.mirror_traffic.items() if share and shadow != live]

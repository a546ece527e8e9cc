"""The tapes of deployments' instances: has them roll, and collects what they have kept."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import quote

from pydantic import Field, ValidationError

from penstock.control.clock import Clock
from penstock.control.loop import STOP, Loop
from penstock.domain.instance import Instance, Phase
from penstock.domain.observation import Count, Moment, Told
from penstock.online.fleet import Fleet
from penstock.online.instance_calls import ask
from penstock.online.sums import sums_of
from penstock.telemetry.tape import Exchange
from penstock_worker import contract

T = TypeVar("T")

_INTERVAL = timedelta(seconds=1)  # until a new instance is told to roll
_SECONDS = 3.0  # for one call: an instance answers between two of its requests
_PATIENCE_SECONDS = 6.0  # for all calls together
_AT_A_TIME = 16
_MOST_BYTES = 4 * 1024 * 1024
_MOST_CALLS = 40  # to one instance: more than it can keep


@dataclass(frozen=True)
class _Roll:
    """What was asked for of a deployment: of a share of the request ids, until then."""

    until: datetime
    share: float


@dataclass(frozen=True)
class _Reel:
    """Where a process of an instance tells of its tape, and to whom."""

    address: str
    key: str


class _Row(Told):
    """What an instance says of an exchange. `at` is in microseconds since 1970; the sizes are those of the bodies."""

    id: str = Field(max_length=1000)
    at: Annotated[int, Field(ge=0, le=10**17)]
    seconds: Moment
    status: Annotated[int, Field(ge=100, le=999)]
    content_type: str = Field(default="", max_length=1000)
    request: Count
    answer: Count


class _Page(Told):
    more: bool = False
    exchanges: tuple[_Row, ...] = ()


class DeploymentTapes:
    """A `Tapes`. Calls may come from any thread and end within seconds, whatever the instances do.

    Who asked is kept in memory only: whoever wants tapes for long asks again now and then.
    """

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock
        self._lock = threading.Lock()
        self._rolls: dict[tuple[str, str], tuple[_Roll, ...]] = {}
        self._told: set[tuple[str, int, _Roll]] = set()  # instance, pid, and what it was told
        self._pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="tapes")
        self._loop = Loop("tapes", self._turn, _INTERVAL)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """False if the thread did not end in time."""
        ended = self._loop.stop(timeout)
        self._pool.shutdown(wait=False, cancel_futures=True)
        return ended

    def roll(self, endpoint: str, deployment: str, lasting: timedelta, share: float = 1.0) -> None:
        """See `Tapes`. Instances are told at once; those that come later, within a second of their being ready."""
        roll = _Roll(self._clock.now() + lasting, share)
        with self._lock:
            others = self._rolls.get((endpoint, deployment), ())
            self._rolls[endpoint, deployment] = (*(each for each in others if not _covers(roll, each)), roll)
        self._tell(endpoint, deployment)

    def exchanges(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Exchange]:
        """See `Tapes`."""
        instances = self._living(endpoint, deployment)
        tapes = self._all([lambda i=i: self._tape_of(i, since) for i in instances])
        return sorted((each for tape in tapes if tape for each in tape), key=lambda exchange: exchange.at)

    def step(self) -> None:
        """Tell new instances of deployments that are to roll; forget what is over."""
        now = self._clock.now()
        with self._lock:
            left = {key: tuple(r for r in rolls if r.until > now) for key, rolls in self._rolls.items()}
            self._rolls = {key: rolls for key, rolls in left.items() if rolls}
            self._told = {told for told in self._told if told[2].until > now}
            keys = list(self._rolls)
        for key in keys:
            self._tell(*key)

    def _turn(self) -> timedelta:
        self.step()
        return _INTERVAL

    def _tell(self, endpoint: str, deployment: str) -> None:
        with self._lock:
            rolls = self._rolls.get((endpoint, deployment), ())
        instances = self._living(endpoint, deployment)
        untold = [(i, r) for i in instances for r in rolls if (str(i.name), i.pid, r) not in self._told]
        answers = self._all([lambda i=i, r=r: self._start(i, r) for i, r in untold])
        with self._lock:
            self._told |= {(str(i.name), i.pid, r) for (i, r), heard in zip(untold, answers, strict=True) if heard}

    def _living(self, endpoint: str, deployment: str) -> Sequence[Instance]:
        serving = (Phase.READY, Phase.UNREADY, Phase.DRAINING)
        return [i for i in self._fleet.instances(endpoint, deployment) if i.phase in serving]

    def _start(self, instance: Instance, roll: _Roll) -> bool:
        """True if all of its processes have heard of it."""
        seconds = (roll.until - self._clock.now()).total_seconds()
        query = f"seconds={max(0.0, seconds):.3f}&share={roll.share}"
        reels = self._reels(instance)
        return bool(reels) and all([_page(reel, "POST", query) is not None for reel in reels])

    def _tape_of(self, instance: Instance, since: datetime) -> Sequence[Exchange]:
        reels = self._reels(instance)
        return [each for reel in reels for each in _exchanges(reel, str(instance.name), since)]

    def _reels(self, instance: Instance) -> Sequence[_Reel]:
        """One for each process; none of a server that keeps no sums."""
        sums, address = sums_of(self._fleet.places, instance.name), self._fleet.address(instance.name)
        if sums is None:
            return ()
        if sums.processes == 1 or not address.startswith("/"):
            return (_Reel(address, sums.making),)
        paths = (contract.member_socket(Path(address), number) for number in range(sums.processes))
        return [_Reel(str(path), sums.making) for path in paths]

    def _all(self, calls: Iterable[Callable[[], T]]) -> list[T | None]:
        """What the calls give, in their order; None for those that take too long."""
        futures = [self._pool.submit(call) for call in calls]
        done, late = wait(futures, timeout=_PATIENCE_SECONDS)
        for future in late:
            future.cancel()
        return [future.result() if future in done else None for future in futures]


def _covers(one: _Roll, other: _Roll) -> bool:
    return one.until >= other.until and one.share >= other.share


def _exchanges(reel: _Reel, instance: str, since: datetime) -> Sequence[Exchange]:
    found: list[Exchange] = []
    at = max(0, round(since.timestamp() * 1_000_000))
    for _ in range(_MOST_CALLS):
        page, exchanges = _understood(instance, _page(reel, "GET", f"since={at}") or b"")
        found += exchanges
        if not page.more or not page.exchanges:
            break
        at = page.exchanges[-1].at
    return found


def _page(reel: _Reel, method: str, query: str) -> bytes | None:
    target = f"{contract.TAPE_ROUTE}?key={quote(reel.key)}&{query}"
    return ask(reel.address, method, target, timeout=_SECONDS, most_bytes=_MOST_BYTES)


def _understood(instance: str, body: bytes) -> tuple[_Page, Sequence[Exchange]]:
    """What an instance tells of its tape; nothing where it makes no sense."""
    head, _, bodies = body.partition(b"\n")
    try:
        page = _Page.model_validate_json(head)
    except ValidationError:
        return _Page(), ()
    found: list[Exchange] = []
    at = 0
    for row in page.exchanges:
        middle, end = at + row.request, at + row.request + row.answer
        if end > len(bodies):
            return _Page(), found
        found.append(_exchange(instance, row, bodies[at:middle], bodies[middle:end]))
        at = end
    return page, found


def _exchange(instance: str, row: _Row, request: bytes, answer: bytes) -> Exchange:
    return Exchange(
        instance=instance,
        request_id=row.id,
        at=datetime.fromtimestamp(row.at // 1_000_000, UTC) + timedelta(microseconds=row.at % 1_000_000),
        seconds=row.seconds,
        status=row.status,
        content_type=row.content_type,
        request=request,
        answer=answer,
    )

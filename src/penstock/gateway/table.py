"""The routing table: everything the gateway does, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

SCORE_PATH = "/score"  # where endpoints take requests, and our own worker
MAX_CONCURRENCY = 10_000  # requests that one instance is sent at a time


@dataclass(frozen=True, order=True, kw_only=True)
class Server:
    """An instance. A draining one finishes what it has and gets nothing new.

    `concurrency` takes the place of its backend's if given; it must not change while the instance serves.
    """

    name: str  # the instance's name, unique in the table
    address: str  # path of its unix socket, or 127.0.0.1:PORT
    draining: bool = False
    concurrency: int | None = None


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Requests to a deployment without an instance wait: so many at a time, and no longer than `time`."""

    time: timedelta
    requests: int


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A deployment and its instances.

    `concurrency` bounds the requests that one instance works on at a time. More wait, up to `queue_per_instance`
    for each instance and no longer than `queue_wait`; beyond that the answer is 429. What comes in for /score is sent
    to the instances' `scoring_path`. With `strict` any answer but 200 is the model's failure, as Azure has it; else
    those of 500 and above are. `own_server` says that the instances run a server that is not our worker.

    With `hold`, requests that come while it is `asleep` wait until it is not; instances that it still has finish what
    they have. Where `failure` says why none can start, they are answered with that at once.
    """

    endpoint: str
    deployment: str
    servers: tuple[Server, ...]
    request_timeout: timedelta
    concurrency: int
    queue_per_instance: int
    queue_wait: timedelta
    scoring_path: str = SCORE_PATH
    strict: bool = False
    own_server: bool = False
    hold: Hold | None = None
    asleep: bool = False
    failure: str = ""

    @property
    def name(self) -> str:
        return f"{self.endpoint}/{self.deployment}"


@dataclass(frozen=True, kw_only=True)
class Route:
    """An endpoint: who may call it and which deployment answers.

    `keys` maps the key's name (primary, secondary) to its SHA-256 in upper-case hex. `traffic` maps deployments to
    percents that sum to 0 or 100, `mirror` deployments to the percent that each is sent a copy of. Where `sticky` is
    given (header:NAME or cookie:NAME), requests that have it are spread by its value, as `domain/sticky.py` says. With
    `cors` a browser's preflight request, which carries no key, is passed on.
    """

    endpoint: str
    keys: Mapping[str, str]
    traffic: Mapping[str, int] = field(default_factory=dict[str, int])
    mirror: Mapping[str, int] = field(default_factory=dict[str, int])
    sticky: str = ""
    cors: bool = False


@dataclass(frozen=True, kw_only=True)
class RoutingTable:
    routes: tuple[Route, ...] = ()
    backends: tuple[Backend, ...] = ()

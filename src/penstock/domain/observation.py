"""What is seen of a deployment that serves: one look at its instances, and what follows from several."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from penstock.domain.resource import Frozen

STAGES = ("wait", "parse", "validate", "run", "encode")


Count = Annotated[int, Field(ge=0, le=2**62)]
Moment = Annotated[float, Field(ge=0, le=1e12)]  # seconds of a clock


class Seen(Frozen):
    """Base of what is seen: numbers that one can reckon with."""

    model_config = ConfigDict(allow_inf_nan=False)


class Times(Seen):
    """Percentiles in seconds, of `count` requests; where only an average is known, they are None."""

    count: Count = 0
    mean: float = 0.0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Told(Seen):
    """Base of what instances tell, which may be of another version: open to fields that it does not know."""

    model_config = ConfigDict(extra="ignore")


class Pool(Told):
    """A thread pool of a numeric library."""

    library: str = ""
    threads: Count = 0


class Facts(Told):
    """What an instance says of itself. `batch_rows` is zero where each request is run alone."""

    kind: str = "script"  # or model
    batch_rows: Count = 0
    cpu_seconds: Moment = 0.0
    queued_seconds: Moment = 0.0  # waited for a core
    memory_bytes: Count = 0
    peak_memory_bytes: Count = 0
    cores: Count = 1
    threads: Count = 0
    thread_variables: Mapping[str, str] = {}
    pools: tuple[Pool, ...] = ()
    estimators: tuple[str, ...] = ()


class Happening(Told):
    """What run() did at one line besides computing, `count` times in `runs` runs; `bytes` is the size of the files."""

    kind: str  # file, written file, import, connection, process
    file: str = ""
    line: Count = 0
    function: str = ""
    names: tuple[str, ...] = ()
    count: Count = 0
    runs: Count = 0
    bytes: Count = 0


class Trace(Told):
    """What was seen of run() while somebody looked. `read_bytes`: in all, by whatever means; None if unknown."""

    runs: Count = 0
    requests: Count = 0
    dropped: Count = 0
    read_bytes: Count | None = None
    happenings: tuple[Happening, ...] = ()


class InstanceLook(Seen):
    """One instance at one moment. Counts are since its start. `facts` is None if it tells nothing of itself.

    The gateway's times are averages over the last 1024 requests, in whole milliseconds.
    """

    name: str
    at: Moment  # seconds of the platform's clock
    pid: Count = 0
    phase: str = ""
    answered: Count = 0
    refused: Count = 0
    failed: Count = 0
    rows: Count = 0
    runs: Count = 0  # batches, and requests that were run alone
    facts: Facts | None = None
    stages: Mapping[str, Times] = {}
    gateway_queue: float = 0.0  # seconds
    gateway_connect: float = 0.0
    gateway_response: float = 0.0  # until the head of the answer had come

    @property
    def requests(self) -> int:
        return self.answered + self.refused + self.failed


class Look(Seen):
    """All instances of a deployment at one moment."""

    endpoint: str
    deployment: str
    state: str = ""
    instance_count: Count = 1  # that it is meant to have
    scaled: bool = False  # the autoscaler says how many
    concurrency: Count | None = None  # `max_concurrent_requests_per_instance`, if it is set
    timeout_ms: Count = 5000
    host_cores: Count = 1
    host_instances: Count = 1  # of all deployments, on this machine
    waiting: Count = 0  # requests in the gateway's queue
    instances: tuple[InstanceLook, ...] = ()

    @property
    def requests(self) -> int:
        return sum(i.requests for i in self.instances)


class Minute(Seen):
    """What a deployment did in the minute from `at`, of which it was measured for so many seconds.

    `values` are Azure Monitor's metrics; None for what is not known of that time.
    """

    deployment: str
    at: datetime
    seconds: float
    values: Mapping[str, float | None]


class Step(Seen):
    """Load for a while. `rate` is what was answered well, in requests/s; `offered` is zero for as fast as it goes."""

    connections: Count
    seconds: float
    rate: float
    p50: float
    p99: float
    errors: Count = 0
    offered: float = 0.0
    generator_share: float = 0.0  # of one core, that making the load took
    machine_share: float = 0.0  # of all cores, that all programs took where the load was made
    statuses: Mapping[str, int] = {}


class Capacity(Seen):
    """What load has shown. `rate` is the highest with p99 within `target`; zero if there was none."""

    target: float  # seconds
    rate: float
    p99: float
    connections: Count
    instances: Count
    confirmed: bool
    generator_limited: bool
    machine_limited: bool = False
    steps: tuple[Step, ...] = ()
    wanted_rate: float | None = None
    instance_count: Count | None = None  # for the wanted rate
    max_concurrent_requests_per_instance: Count = 1

    @property
    def per_instance(self) -> float:
        return self.rate / max(1, self.instances)


class Severity(StrEnum):
    SERIOUS = "serious"
    ADVICE = "advice"
    NOTICE = "notice"


class Finding(Seen):
    """One thing that costs time or memory: what it is, where it comes from, and what to do."""

    severity: Severity
    what: str
    where: str = ""
    advice: str = ""


class Evidence(Seen):
    """Looks in their order, the first before the trace began; what callers measured, and load if there was any."""

    looks: tuple[Look, ...] = Field(min_length=1, max_length=200)
    traces: tuple[Trace, ...] = ()
    callers: Times | None = None  # of requests that the doctor sent itself, one after the other
    capacity: Capacity | None = None


class Diagnosis(Seen):
    """Where the time goes, and why."""

    endpoint: str
    deployment: str
    requests: Count
    seconds: float
    stages: Mapping[str, Times]
    findings: tuple[Finding, ...]
    traces: tuple[Trace, ...] = ()
    capacity: Capacity | None = None


def percentiles(values: list[float]) -> Times:
    """Of seconds in any order."""
    ordered = sorted(values)
    if not ordered:
        return Times()
    at = {share: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)}
    return Times(count=len(ordered), mean=sum(ordered) / len(ordered), p50=at[0.5], p95=at[0.95], p99=at[0.99])

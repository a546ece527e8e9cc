"""The claims: which server is held against which, under which load, and what is to be reached."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from measurement import Measurement

FASTEST = "fastest peer"
_Value = Callable[[Measurement], float]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """`server` against `other`, a server's name or `FASTEST`. `below`: small is good."""

    model: str
    load: str
    server: str
    other: str
    target: float
    what: str = "rate"
    below: bool = False


@dataclass(frozen=True)
class Verdict:
    """The median of the rounds' ratios, which are what drift of the machine leaves comparable."""

    claim: Claim
    ratios: Sequence[float]
    others: Sequence[str]  # which peer was the fastest, by round

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool:
        return self.ratio <= self.claim.target if self.claim.below else self.ratio >= self.claim.target


def _rates(server: str, other: str, model: str, **targets: float) -> list[Claim]:
    """Targets by load, `c64` for 64 connections."""
    return [
        Claim(model=model, load=f"c={load[1:]}", server=server, other=other, target=target)
        for load, target in targets.items()
    ]


CLAIMS = (
    *_rates("penstock", FASTEST, "A", c1=1.3, c16=6, c64=8),
    *_rates("penstock", FASTEST, "B", c64=5),
    *_rates("penstock", FASTEST, "C", c64=5),
    *(
        Claim(model=model, load="c=64", server="penstock", other=FASTEST, target=0.25, what="p99", below=True)
        for model in "ABC"
    ),
    *_rates("penstock-pyfunc", "mlflow", "A", c1=2, c16=20, c64=60),
    *_rates("penstock-compiled", FASTEST, "B", c1=4),
    *_rates("penstock-compiled", FASTEST, "C", c1=25),
    *_rates("penstock-script", "azml", "A", c1=1.6, c16=3, c64=3),
    *_rates("penstock", "haproxy-nothing", "A", c64=0.6),
    *_rates("penstock-compiled", "haproxy-nothing", "A", c64=0.8),
    *(
        Claim(model="A", load="1,000/s", server="penstock", other=FASTEST, target=1.0, what=what, below=True)
        for what in ("p50", "p99", "p99.9")
    ),
)

# Absolute: microseconds of CPU per request of the platform, milliseconds of the open loop.
CEILINGS = (
    ("penstock-nothing", "A", "c=1", "cpu", 80.0),
    ("penstock-nothing", "A", "c=16", "cpu", 80.0),
    ("penstock-nothing", "A", "c=64", "cpu", 80.0),
    ("penstock", "A", "10,000/s", "p99", 10.0),
    ("penstock", "C", "1,000/s", "p99.9", 100.0),
)

VALUES: dict[str, _Value] = {
    "rate": lambda m: m.loaded.rate,
    "p50": lambda m: m.loaded.p50,
    "p99": lambda m: m.loaded.p99,
    "p99.9": lambda m: m.loaded.p999,
    "cpu": lambda m: m.cpu.get("gateway", 0.0) + m.cpu.get("worker", 0.0),
}


def verdicts(measurements: Iterable[Measurement]) -> list[Verdict]:
    """On the claims whose two sides were measured."""
    found = list(measurements)
    return [verdict for claim in CLAIMS if (verdict := _verdict(claim, found)).ratios]


def median(measurements: Sequence[Measurement], server: str, model: str, load: str, what: str) -> float | None:
    values = [VALUES[what](m) for m in measurements if (m.server, m.model, m.load) == (server, model, load)]
    return statistics.median(values) if values else None


def _verdict(claim: Claim, measurements: Sequence[Measurement]) -> Verdict:
    here = [m for m in measurements if m.model == claim.model and m.load == claim.load]
    ratios, others = [], []
    for number in sorted({m.round for m in here}):
        among = [m for m in here if m.round == number]
        ours = [m for m in among if m.server == claim.server]
        theirs = [m for m in among if (m.peer if claim.other == FASTEST else m.server == claim.other)]
        if ours and theirs:
            best = _best(theirs, claim)
            value = VALUES[claim.what](best)
            ratios.append(VALUES[claim.what](ours[0]) / value if value else float("inf"))
            others.append(best.server)
    return Verdict(claim, ratios, others)


def _best(peers: Sequence[Measurement], claim: Claim) -> Measurement:
    """In an open loop all have the same rate, if they can follow: the best is the one with the smallest value."""
    if claim.load.endswith("/s"):
        return min(peers, key=VALUES[claim.what])
    return max(peers, key=VALUES["rate"])

"""What is to be reached, and how far it is: ratios within a round, of which the median counts."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from measured import Measured

LIMIT, PENSTOCK = "limit", "penstock"
Value = Callable[[Measured], float | None]

STEADY: Value = lambda m: m.rows / m.steady if m.steady else None  # noqa: E731
WALL: Value = lambda m: m.rows / m.wall  # noqa: E731
PEAK: Value = lambda m: m.peak  # noqa: E731
CPU: Value = lambda m: m.cpu  # noqa: E731
VALUES = {"steady": STEADY, "wall": WALL, "peak": PEAK, "cpu": CPU}


@dataclass(frozen=True)
class Claim:
    """Penstock's `what` is at least (`below`: at most) `target` times that of `other`, in the cases of `forms`."""

    other: str
    what: str
    target: float
    forms: Sequence[str] = ("one", "many")
    below: bool = False


@dataclass(frozen=True)
class Verdict:
    claim: Claim
    case: str
    ratios: Sequence[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool:
        return self.ratio <= self.claim.target if self.claim.below else self.ratio >= self.claim.target


CLAIMS = (
    Claim(LIMIT, "steady", 0.92),
    Claim(LIMIT, "wall", 0.80),
    Claim(LIMIT, "steady", 0.85, forms=("csv",)),
    Claim(LIMIT, "steady", 0.95, forms=("script",)),
    Claim(LIMIT, "peak", 1.2, forms=("one", "many", "csv"), below=True),
    Claim("pandas", "steady", 1.8),
    Claim("joblib", "steady", 2.0),
    Claim("dask", "steady", 2.0),
    Claim("spark", "steady", 6.0),
    Claim("spark-udf", "steady", 6.0),
    Claim("ray", "steady", 1.0),
    Claim("mlflow", "steady", 6.0, forms=("csv",)),
    Claim("mlflow", "wall", 6.0, forms=("csv",)),
    *(Claim(other, "steady", 1.0, forms=("csv",)) for other in ("pandas", "dask", "spark", "ray")),
    *(
        Claim(other, "wall", 1.0, forms=("one", "many", "csv"))
        for other in ("pandas", "joblib", "dask", "spark", "spark-udf", "ray")
    ),
)


def verdicts(found: Iterable[Measured]) -> list[Verdict]:
    """On the claims of which both sides were measured, by case."""
    measured = list(found)
    cases = list(dict.fromkeys(m.case for m in measured))
    each = [
        Verdict(claim, case, ratios(measured, case, claim.what, PENSTOCK, claim.other))
        for claim in CLAIMS
        for case in cases
        if case.split()[-1] in claim.forms
    ]
    return [verdict for verdict in each if verdict.ratios]


def ratios(found: Sequence[Measured], case: str, what: str, side: str, other: str) -> list[float]:
    """Of `side` to `other` in each round that has both."""
    value = VALUES[what]
    ours, theirs = (
        {m.round: known for m in found if (m.case, m.side) == (case, name) and (known := value(m))}
        for name in (side, other)
    )
    return [ours[number] / theirs[number] for number in ours if number in theirs]

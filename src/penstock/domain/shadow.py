"""Shadow reports: how the answers of a shadow compare with those of the deployment that callers were answered by."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from penstock.domain.resource import Frozen

TOLERANCE_PROPERTY = "penstock.shadow_tolerance"  # of an endpoint
TOLERANCE = 1e-5  # where it is not given


class Deltas(Frozen):
    """By how much numbers differ, over all numbers in rows that were compared. Percentiles are right to 10 %."""

    count: int
    mean: float
    p50: float
    p95: float
    max: float


class Latency(Frozen):
    """Seconds in the instance, over the requests that were compared; right to 10 %."""

    p50: float
    p95: float
    p99: float


class Side(Frozen):
    """One of the two deployments in the pairs. `errors` had a status of 400 or more."""

    deployment: str
    errors: int = 0
    latency: Latency | None = None


class Example(Frozen):
    """The worst disagreement of one request; texts are cut after a thousand characters.

    `kind`: `error` (one of the two answers was an error), `different` (labels, texts, shapes), `number`. `row` counts
    from 0, `path` leads to the place within the row, `delta` is the relative difference of numbers.
    """

    at: datetime
    request_id: str
    kind: Literal["error", "different", "number"]
    row: int | None = None
    path: str = ""
    delta: float | None = None
    request: str
    live_status: int
    live: str
    shadow_status: int
    shadow: str


class ShadowReport(Frozen):
    """Requests that both deployments have answered, compared row by row.

    A pair is a request with the live answer and that to its copy. Rows agree if everything in them is equal, numbers
    x and y within `tolerance` x max(1, |x|). Where one of the answers is an error and the other is not, all rows of
    the other disagree; where both are errors, nothing is compared. `absolute` and `relative` are differences of
    numbers, relative ones to the larger of the two.

    `compared_seconds` is for how long of the time from `since` to `until` answers were collected, `share` the part of
    requests that was compared at last, to bound the work. `unpaired_live` and `unpaired_shadow` are answers whose
    counterpart never came: requests that were not copied or too large for it, copies that were lost, and the shadow's
    own live traffic. Of copies, `sent`, `failed`, `dropped` and `skipped` are the gateway's counts.
    """

    endpoint: str
    since: datetime
    until: datetime
    compared_seconds: float
    share: float
    tolerance: float
    live: Side
    shadow: Side
    pairs: int = 0
    both_failed: int = 0
    rows: int = 0
    agreed: int = 0
    absolute: Deltas | None = None
    relative: Deltas | None = None
    unpaired_live: int = 0
    unpaired_shadow: int = 0
    sent: int = 0
    failed: int = 0
    dropped: int = 0
    skipped: int = 0
    examples: tuple[Example, ...] = ()

    @property
    def agreement(self) -> float | None:
        """The share (0 to 1) of rows that agree; None if none was compared."""
        return self.agreed / self.rows if self.rows else None


def checked(properties: dict[str, str]) -> dict[str, str]:
    """`properties` if they say of this what can be understood; else a ValueError with the remedy."""
    tolerance(properties)
    return properties


def tolerance(properties: Mapping[str, str]) -> float:
    """By how much numbers of a shadow's answers may differ. Raises ValueError with the remedy."""
    value = properties.get(TOLERANCE_PROPERTY)
    try:
        number = TOLERANCE if value is None else float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError(f"property {TOLERANCE_PROPERTY} is {value!r}: give a number from 0 to 1, such as 0.01")
    return number

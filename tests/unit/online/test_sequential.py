"""Evidence that one deployment is worse: seldom where there is none, soon where there is."""

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from penstock.online.sequential import Tally, against_limit, against_old, is_sure

counts = st.integers(0, 200)


@st.composite
def tallies(draw: st.DrawFn) -> list[Tally]:
    def one() -> Tally:
        new, old = draw(counts), draw(counts)
        return Tally(draw(st.integers(0, new)), new, draw(st.integers(0, old)), old)

    return [one() for _ in range(draw(st.integers(0, 12)))]


def blocks(
    rng: random.Random, new_rate: float, old_rate: float, count: int, new: int = 5, old: int = 95
) -> list[Tally]:
    def hits(total: int, rate: float) -> int:
        return sum(rng.random() < rate for _ in range(total))

    return [Tally(hits(new, new_rate), new, hits(old, old_rate), old) for _ in range(count)]


@given(tallies(), st.floats(0.001, 0.999))
def test_evidence_is_a_number_whatever_was_counted(found: list[Tally], limit: float) -> None:
    assert math.isfinite(against_old(found))
    assert math.isfinite(against_limit(found, limit))


@given(tallies())
def test_requests_that_went_well_are_no_evidence(found: list[Tally]) -> None:
    well = [Tally(0, t.new_total, t.old_hits, t.old_total) for t in found]
    assert against_old(well) <= 0


def test_one_block_alone_is_no_evidence() -> None:
    burst = [Tally(50, 50, 0, 950), *[Tally(0, 5, 0, 95)] * 20]
    assert not is_sure(against_old(burst), 0.01)
    assert is_sure(against_old([Tally(25, 50, 0, 950)] * 2), 1e-6)


def test_equals_that_are_looked_at_after_every_block_are_rarely_told_apart() -> None:
    """At an allowed error of 5 % at most that many of 200 are, with three standard deviations of chance."""
    rng = random.Random(5)
    wrong = 0
    for _ in range(200):
        found = blocks(rng, 0.02, 0.02, 60)
        wrong += any(is_sure(against_old(found[:n]), 0.05) for n in range(1, 61, 4))
    assert wrong <= 200 * 0.05 + 3 * math.sqrt(200 * 0.05 * 0.95)


def test_failures_in_bursts_count_for_less_than_as_many_that_are_spread() -> None:
    nothing = [Tally(0, 50, 0, 50)] * 8
    spread = [Tally(2, 50, 1, 50)] * 20
    bursts = [Tally(20, 50, 0, 50), Tally(0, 50, 10, 50), *nothing] * 2
    assert against_old(spread) > against_old(bursts)
    assert not is_sure(against_old(bursts), 0.1)


def test_bursts_that_both_have_at_once_are_no_bursts_of_one() -> None:
    """Such as an upstream that fails for a while: it says as much of the two as failures that are spread."""
    together = [Tally(20, 50, 10, 50) if n % 10 == 0 else Tally(0, 50, 0, 50) for n in range(60)]
    spread = [Tally(2, 50, 1, 50)] * 60
    assert against_old(together) > 0.7 * against_old(spread)


def test_two_percent_of_errors_are_mostly_sure_within_a_thousand_requests() -> None:
    rng = random.Random(1)
    sure = sum(is_sure(against_old(blocks(rng, 0.02, 0.001, 200)), 3e-4) for _ in range(40))
    assert sure >= 32


def test_a_limit_is_exceeded_only_by_more_than_it() -> None:
    rng = random.Random(2)
    assert is_sure(against_limit(blocks(rng, 0.2, 0, 400), 0.1), 1e-4)
    assert not is_sure(against_limit(blocks(rng, 0.1, 0, 200), 0.1), 1e-2)
    assert not is_sure(against_limit(blocks(rng, 0.05, 0, 200), 0.1), 1e-2)

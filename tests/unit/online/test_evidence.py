"""Blocks of time and predictions: bounded, and nothing counted twice or lost."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from penstock.online.evidence import Evidence
from penstock.telemetry.series import Window

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


def window(second: int, requests: int, failed: int = 0, seconds: float = 1.0) -> Window:
    start = BEGIN + timedelta(seconds=second)
    return Window(start=start, end=start + timedelta(seconds=1), seconds=seconds, requests=requests, failed=failed)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=600))
def test_joined_blocks_hold_all_that_was_seen(counts: list[tuple[int, int]]) -> None:
    evidence = Evidence()
    for second, (new, old) in enumerate(counts):
        evidence = evidence.with_look(window(second, new, new // 2), window(second, old))
    assert evidence.new is not None
    assert evidence.old is not None
    assert evidence.requests == evidence.new.requests == sum(new for new, _ in counts)
    assert evidence.new.failed == sum(new // 2 for new, _ in counts)
    assert evidence.old.requests == sum(old for _, old in counts)
    assert len(evidence.blocks) <= 60
    starts = [block.new.start for block in evidence.blocks]
    assert starts == sorted(starts)
    lengths = [round(block.new.seconds) for block in evidence.blocks]
    assert all(length == evidence.size for length in lengths[:-1])
    assert 1 <= lengths[-1] <= evidence.size


def test_time_in_which_the_new_deployment_was_not_measured_says_nothing() -> None:
    evidence = Evidence().with_look(window(0, 5, seconds=0.0), window(0, 100))
    assert evidence == Evidence()


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 900)), max_size=40))
def test_of_the_old_deployment_few_times_as_many_predictions_are_kept(looks: list[tuple[int, int]]) -> None:
    evidence = Evidence()
    for new, old in looks:
        evidence = evidence.with_rows([{"y": 1.0}] * new, [{"y": 2.0}] * old)
        assert len(evidence.old_rows) <= 4 * len(evidence.new_rows) + 200
    assert len(evidence.new_rows) == sum(new for new, _ in looks)


def test_predictions_that_are_kept_are_spread_over_the_look() -> None:
    kept = Evidence().with_rows([], [{"y": float(n)} for n in range(1000)]).old_rows
    assert len(kept) == 200
    assert [row["y"] for row in kept[:3]] == [0.0, 5.0, 10.0]

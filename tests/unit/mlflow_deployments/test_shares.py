"""Who gives way when a deployment is given a share of the traffic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.errors import PenstockError
from penstock.mlflow_deployments.shares import with_share


@pytest.mark.parametrize(
    ("before", "percent", "after"),
    [
        pytest.param({"blue": 100}, 10, {"blue": 90, "green": 10}, id="the others give way"),
        pytest.param({"blue": 60, "red": 40}, 10, {"blue": 54, "red": 36, "green": 10}, id="in proportion"),
        pytest.param({"blue": 50, "red": 50}, 1, {"blue": 50, "red": 49, "green": 1}, id="whole percents"),
        pytest.param({"blue": 90, "green": 10}, 100, {"blue": 0, "green": 100}, id="all of it"),
        pytest.param({"blue": 90, "green": 10}, 0, {"blue": 100, "green": 0}, id="none of it"),
        pytest.param({}, 100, {"green": 100}, id="the first"),
        pytest.param({"blue": 0}, 0, {}, id="nobody"),
    ],
)
def test_a_share_is_taken_from_the_others(before: dict[str, int], percent: int, after: dict[str, int]) -> None:
    assert with_share(before, "green", percent) == after


def test_a_part_needs_somebody_for_the_rest() -> None:
    with pytest.raises(PenstockError, match="no other deployment"):
        with_share({"blue": 0}, "green", 10)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.integers(0, 100))
def test_shares_always_sum_to_all(weights: list[int], percent: int) -> None:
    whole = [weight * 100 // sum(weights) for weight in weights]
    whole[0] += 100 - sum(whole)
    before = {f"d{n}": share for n, share in enumerate(whole)}
    after = with_share(before, "green", percent)
    assert (sum(after.values()), after.get("green", 0)) == (100, percent)
    assert all(share >= 0 for share in after.values())

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.sticky import PROPERTY, assigned, caller

DEPLOYMENTS = ("a", "b", "c", "d")
USERS = [str(n) for n in range(20_000)]


@st.composite
def traffic(draw: st.DrawFn) -> dict[str, int]:
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=3, max_size=3)))
    ends = [0, *cuts, 100]
    return {name: end - begin for name, begin, end in zip(DEPLOYMENTS, ends, ends[1:], strict=False)}


@given(traffic(), traffic(), st.integers(0))
def test_a_caller_moves_only_to_a_deployment_whose_part_grew_against_the_one_that_is_left(
    before: dict[str, int], after: dict[str, int], user: int
) -> None:
    old, new = assigned("fraud", before, str(user)), assigned("fraud", after, str(user))
    assert old == new or after[new] * before[old] > before[new] * after[old]


@given(st.integers(1, 98), st.integers(1, 98), st.integers(0))
def test_who_has_the_new_deployment_keeps_it_while_its_percent_grows(percent: int, more: int, user: int) -> None:
    grown = min(percent + more, 99)
    if assigned("fraud", {"blue": 100 - percent, "green": percent}, str(user)) == "green":
        assert assigned("fraud", {"blue": 100 - grown, "green": grown}, str(user)) == "green"


def test_shares_are_the_percents() -> None:
    traffic = {"blue": 70, "green": 20, "red": 10, "off": 0}
    found = Counter(assigned("fraud", traffic, user) for user in USERS)
    for name, percent in traffic.items():
        expected = len(USERS) * percent / 100
        assert found[name] == pytest.approx(expected, abs=4 * (expected * (1 - percent / 100)) ** 0.5 + 1e-9)


def test_endpoints_assign_independently_of_each_other() -> None:
    halves = {"blue": 50, "green": 50}
    same = sum(assigned("fraud", halves, user) == assigned("churn", halves, user) for user in USERS)
    assert same == pytest.approx(len(USERS) / 2, abs=300)  # four standard deviations


def test_nobody_is_assigned_where_nothing_has_traffic() -> None:
    assert assigned("fraud", {"blue": 0}, "me") == ""


@pytest.mark.parametrize(
    "value",
    ["x-user-id", "header:", "header:a b", "cookie:a=b", "query:user", "header:Authorization", "header:x-penstock-id"],
)
def test_what_cannot_tell_callers_apart_is_refused_with_the_remedy(value: str) -> None:
    with pytest.raises(ValueError, match="give"):
        OnlineEndpoint(properties={PROPERTY: value})


def test_headers_have_no_case_and_cookies_do() -> None:
    assert caller({PROPERTY: "header:X-User-Id"}) == "header:x-user-id"
    assert caller({PROPERTY: "cookie:UID"}) == "cookie:UID"
    assert caller({}) == ""

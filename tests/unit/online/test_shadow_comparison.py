"""Answers of a shadow beside the live ones: what agrees, what pairs up, and what pairs add up to."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.domain.endpoint import OnlineEndpoint
from penstock.online.answer_comparison import compared
from penstock.online.shadow import mirrors
from penstock.online.shadow_pairs import PATIENCE, Pair, Pairs
from penstock.online.shadow_sums import MOST_EXAMPLES, Sums, examples, together
from penstock.telemetry.tape import Exchange

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, width=16) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


def an_exchange(
    request_id: str, answer: Any = 1, *, request: bytes = b"{}", status: int = 200, at: datetime = NOON
) -> Exchange:
    return Exchange(
        instance="i",
        request_id=request_id,
        at=at,
        seconds=0.01,
        status=status,
        content_type="application/json",
        request=request,
        answer=json.dumps(answer).encode(),
    )


@pytest.mark.parametrize(
    ("live", "shadow", "rows", "agreed"),
    [
        ([1, 2, 3], [1, 2, 4], 3, 2),
        ({"predictions": [1.0, 2.0]}, [1.0, 2.0 + 1e-7], 2, 2),
        ({"predictions": [{"a": 1, "b": "x"}]}, {"predictions": [{"a": 1, "b": "y"}]}, 1, 0),
        ([1], [1, 2], 2, 1),
        (True, 1, 1, 0),
        ({"a": [1, 2], "b": [3, 4]}, {"a": [1, 2], "b": [3, 5]}, 2, 1),
        ("[1, 2]", [1, 2], 2, 2),
        (
            {"outputs": [{"name": "p", "shape": [2, 1], "data": [0.5, 0.25]}]},
            {"outputs": [{"name": "p", "shape": [2, 1], "data": [0.5, 0.75]}]},
            2,
            1,
        ),
    ],
)
def test_rows_agree_in_whatever_form_answers_come(live: Any, shadow: Any, rows: int, agreed: int) -> None:
    found = compared(json.dumps(live).encode(), json.dumps(shadow).encode(), 1e-5)
    assert (found.rows, found.agreed) == (rows, agreed)
    assert (found.worst is None) == (rows == agreed)


@settings(max_examples=50)
@given(JSON, JSON)
def test_comparison_is_symmetric_in_what_it_counts_and_an_answer_agrees_with_itself(one: Any, other: Any) -> None:
    first, second = json.dumps(one).encode(), json.dumps(other).encode()
    forth, back = compared(first, second, 0.0), compared(second, first, 0.0)
    assert (forth.rows, forth.agreed) == (back.rows, back.agreed)
    alone = compared(first, first, 0.0)
    assert alone.rows == alone.agreed


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_are_compared(one: bytes, other: bytes) -> None:
    found = compared(one, other, 1e-5)
    assert 0 <= found.agreed <= found.rows


@pytest.mark.parametrize(
    ("live", "shadow", "path"),
    [
        pytest.param(b'[{"\\ud800": 1}]', b'[{"\\ud800": 2}]', "?", id="half a character"),
        pytest.param(b"[1%s]" % (b"0" * 400), b"[1]", "", id="an integer beyond all floats"),
        pytest.param(b"[1%s]" % (b"0" * 5000), b"[1]", "", id="an integer beyond what is parsed"),
        pytest.param(b"[1e308]", b"[2e307]", "", id="numbers near the end"),
        pytest.param(b"[1e308]", b"[-1e308]", "", id="numbers too far apart"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, b"[1]", "", id="deeper than is parsed"),
        pytest.param(
            b"[" * 300 + b"1,2" + b"]" * 300, b"[" * 300 + b"1,3" + b"]" * 300, ".".join("0000000001"), id="deep"
        ),
        pytest.param(b'[{"a.b": 1}]', b'[{"a": {"b": 1}}]', "a", id="a path that only looks the same"),
        pytest.param(b"[NaN, Infinity, 1]", b"[NaN, Infinity, -Infinity]", "", id="what is no number"),
    ],
)
def test_hostile_answers_disagree_and_are_told(live: bytes, shadow: bytes, path: str) -> None:
    sums = Sums(NOON)
    for _ in range(3):
        pair = Pair(replace(an_exchange("id"), answer=live), replace(an_exchange("id"), answer=shadow))
        sums.add(pair, 1e-5)
    (example, *_) = examples(sums)
    assert example.path == path
    assert example.model_dump_json()
    assert sums.rows - sums.agreed == 3
    for deltas in filter(None, (sums.absolute.told(), sums.relative.told())):
        assert 0 <= deltas.p50 <= deltas.p95 <= deltas.max < math.inf
        assert deltas.mean <= deltas.max


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.booleans()), max_size=14))
def test_each_exchange_is_paired_once_or_given_up_in_the_end(arrivals: list[tuple[bool, str, bool]]) -> None:
    """Arrivals: on the live side or not, the request id, and whether the tapes are read after it."""
    pairs, found = Pairs(), list[Pair]()
    waiting: tuple[list[Exchange], list[Exchange]] = ([], [])
    for number, (live, name, read) in enumerate([*arrivals, (True, "end", True)]):
        waiting[0 if live else 1].append(an_exchange(name, at=NOON + timedelta(seconds=number)))
        if read:
            found += pairs.found(*waiting)
            waiting = ([], [])
    assert all(pair.live.request_id == pair.shadow.request_id for pair in found)
    counts = {name: [sum(a == (side, name, a[2]) for a in arrivals) for side in (True, False)] for name in "abc"}
    assert {name: sum(p.live.request_id == name for p in found) for name in "abc"} == {
        name: min(both) for name, both in counts.items()
    }
    sides = [sum(both[n] for both in counts.values()) for n in (0, 1)]
    assert pairs.expired(NOON + timedelta(hours=1)) == (sides[0] + 1 - len(found), sides[1] - len(found))


def test_an_id_that_is_used_twice_pairs_by_the_body_and_nothing_waits_for_ever() -> None:
    pairs = Pairs()
    one, other = an_exchange("id", 1, request=b"1"), an_exchange("id", 2, request=b"2")
    assert pairs.found([one, other], [an_exchange("id", 5, request=b"2")])[0].live is other
    assert pairs.expired(NOON + PATIENCE / 2) == (0, 0)
    assert pairs.expired(NOON + 2 * PATIENCE) == (1, 0)


@settings(max_examples=30)
@given(st.lists(st.tuples(JSON, JSON, st.sampled_from([200, 200, 200, 500]), st.sampled_from([200, 400])), max_size=5))
def test_spans_put_together_are_the_span_of_all(answers: list[tuple[Any, Any, int, int]]) -> None:
    whole, parts = Sums(NOON), [Sums(NOON) for _ in range(3)]
    for number, (live, shadow, one, other) in enumerate(answers):
        pair = Pair(an_exchange(str(number), live, status=one), an_exchange(str(number), shadow, status=other))
        whole.add(pair, 1e-5)
        parts[number % 3].add(pair, 1e-5)
    joined = together(parts, NOON)
    for field in ("pairs", "both_failed", "rows", "agreed", "errors", "latencies"):
        assert getattr(joined, field) == getattr(whole, field), field
    assert joined.absolute.buckets == whole.absolute.buckets
    assert len(examples(joined)) == min(MOST_EXAMPLES, len(examples(whole)))


def test_the_worst_examples_are_kept_errors_first() -> None:
    sums = Sums(NOON)
    for number in range(30):
        sums.add(Pair(an_exchange(str(number), 100), an_exchange(str(number), 100 + number)), 0.0)
    sums.add(Pair(an_exchange("text", "a"), an_exchange("text", "b")), 0.0)
    sums.add(Pair(an_exchange("error"), an_exchange("error", status=500)), 0.0)
    found = examples(sums)
    assert [each.kind for each in found] == ["error", "different", *["number"] * (MOST_EXAMPLES - 2)]
    assert [each.request_id for each in found[2:4]] == ["29", "28"]
    assert sums.rows - sums.agreed == 31
    assert sums.absolute.told() is not None
    assert sums.absolute.largest == 29


def test_each_mirror_is_compared_with_the_deployment_that_has_most_of_the_traffic() -> None:
    spec = OnlineEndpoint(traffic={"blue": 70, "red": 30}, mirror_traffic={"green": 10, "grey": 0, "red": 5})
    assert sorted(mirrors("e", spec)) == [("e", "blue", "green"), ("e", "blue", "red")]
    assert list(mirrors("e", OnlineEndpoint(mirror_traffic={"green": 10}))) == []


@pytest.mark.parametrize("other", [b"[1]", b"[0.5]", b"[NaN]", b"[1" + b"0" * 400 + b"]"])
def test_an_integer_beyond_all_floats_is_compared_like_any_number(other: bytes) -> None:
    huge = b"[1" + b"0" * 400 + b"]"

    assert compared(huge, other, 0.1).agreed == compared(other, huge, 0.1).agreed == (huge == other)


def test_not_a_number_agrees_with_itself_alone() -> None:
    assert compared(b"[NaN]", b"[NaN]", 0.0).agreed == 1
    assert compared(b"[NaN]", b"[0.0]", 1.0).agreed == 0


@pytest.mark.parametrize("tolerance", ["much", "-1", "2", "nan", ""])
def test_an_endpoint_with_a_tolerance_that_is_none_is_refused(tolerance: str) -> None:
    with pytest.raises(ValueError, match=r"penstock\.shadow_tolerance"):
        OnlineEndpoint(properties={"penstock.shadow_tolerance": tolerance})

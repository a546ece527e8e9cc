"""What guards say of two deployments, in words with numbers, and how seldom they are wrong."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.domain.fields import parse
from penstock.domain.rollout import Finding, Guards, Reference
from penstock.online.evidence import Evidence
from penstock.online.guards import ALLOWED_ERROR, Setting, findings, reference_of, setting_of
from penstock.telemetry.series import Histogram, Window, bucket_of

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


def a_window(second: int, requests: int, latency: Mapping[float, int] | None = None, **fields: Any) -> Window:
    start = BEGIN + timedelta(seconds=second)
    counts: dict[int, int] = {}
    for seconds, count in (latency or {0.02: requests}).items():
        counts[bucket_of(seconds)] = counts.get(bucket_of(seconds), 0) + count
    end = start + timedelta(seconds=1)
    return Window(start=start, end=end, seconds=1.0, requests=requests, latency=Histogram(counts), **fields)


def seen(new: Mapping[str, Any], old: Mapping[str, Any], seconds: int = 90) -> Evidence:
    """The same in each second: `new` and `old` are what the two did in it."""
    evidence = Evidence()
    for second in range(seconds):
        evidence = evidence.with_look(a_window(second, **new), a_window(second, **old))
    return evidence


def said(evidence: Evidence, guards: Mapping[str, Any] | None = None, **setting: Any) -> dict[str, Finding]:
    wanted = parse(Guards, guards or {}, "guards")
    given: dict[str, Any] = {"alone": False, "reference": None, "patient": True, **setting}
    return {each.guard: each for each in findings(wanted, evidence, setting_of(wanted, 4, **given))}


def test_the_allowed_error_is_shared_by_steps_and_guards() -> None:
    """By default errors have two tests; refusals, latency and predictions one each."""
    setting = setting_of(Guards(), 4, alone=False, reference=None, patient=True)
    assert setting == Setting(ALLOWED_ERROR / 20, False, None, True)


def test_equals_are_found_equal() -> None:
    alike = {"requests": 20, "failed": 1, "refused": 2}
    found = said(seen(alike, alike))
    assert {name: finding.state for name, finding in found.items()} == {
        "errors": "ok",
        "refusals": "ok",
        "latency": "ok",
        "restarts": "ok",
        "predictions": "unknown",
    }
    assert found["errors"].message == "5.00 % of 1,800 against 5.00 % of 1,800"


@pytest.mark.parametrize(
    ("new", "old", "guard", "message"),
    [
        ({"failed": 2}, {}, "errors", "10.00 % of 1,800 against 0.00 % of 1,800"),
        ({"refused": 3}, {"refused": 1}, "refusals", "15.00 % of 1,800 against 5.00 % of 1,800"),
        ({"latency": {0.04: 20}}, {}, "latency", "p95"),
        ({"queue_seconds": 0.05}, {}, "latency", "p95"),
        ({"restarts": 1}, {}, "restarts", "90 unwanted ends of instances against 0"),
    ],
)
def test_what_is_worse_fails_with_its_numbers(
    new: dict[str, Any], old: dict[str, Any], guard: str, message: str
) -> None:
    found = said(seen({"requests": 20, **new}, {"requests": 20, **old}))
    assert [name for name, finding in found.items() if finding.state == "failed"] == [guard]
    assert next(iter(found)) == guard  # those that failed come first
    assert found[guard].message.startswith(message)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({"failed": 13}, {"failed": 10}),  # surely more, but not by half
        ({"latency": {0.0021: 1000}}, {"latency": {0.001: 1000}}),  # twice as slow, but by a millisecond
    ],
)
def test_a_sure_difference_that_does_not_matter_is_let_pass(new: dict[str, Any], old: dict[str, Any]) -> None:
    found = said(seen({"requests": 1000, **new}, {"requests": 1000, **old}))
    assert {finding.state for finding in found.values()} <= {"ok", "unknown"}


def test_a_single_bad_second_fails_nothing() -> None:
    evidence = seen({"requests": 20}, {"requests": 20}, seconds=30)
    evidence = evidence.with_look(a_window(30, 20, {3.0: 20}, failed=20), a_window(30, 20))
    assert said(evidence, {"errors": {"absolute": 0.005}})["errors"].state == "ok"
    assert said(evidence)["latency"].state == "ok"


def test_latency_is_judged_with_patience_and_errors_without() -> None:
    evidence = seen({"requests": 20, "failed": 10, "latency": {1.0: 20}}, {"requests": 20}, seconds=2)
    found = said(evidence, patient=False)
    assert (found["errors"].state, found["latency"].state) == ("failed", "ok")


def test_maximums_hold_without_anything_to_compare_with() -> None:
    bad = {"requests": 20, "failed": 5, "latency": {1.0: 20}}
    found = said(seen(bad, {"requests": 0}), {"latency": {"maximum": "500ms"}}, alone=True)
    assert found["errors"].message == "25.00 % of 1,800: above the maximum 10.00 %"
    assert found["latency"].state == "failed"
    fine = said(seen({"requests": 20}, {"requests": 0}), alone=True)
    assert fine["errors"].message == "0.00 % of 1,800; nothing to compare with"


def test_alone_it_is_compared_with_what_the_old_one_did_before() -> None:
    before = reference_of(seen({"requests": 1}, {"requests": 50, "failed": 0}), None)
    assert before is not None
    bad = said(seen({"requests": 50, "failed": 2}, {"requests": 0}), alone=True, reference=before)
    assert bad["errors"].state == "failed"
    assert bad["errors"].message == "4.00 % of 4,500 against 0.00 % of 4,500 before"
    slow = said(seen({"requests": 50, "latency": {0.05: 50}}, {"requests": 0}), alone=True, reference=before)
    assert slow["latency"].state == "failed"
    same = said(seen({"requests": 50}, {"requests": 0}), alone=True, reference=before)
    assert "failed" not in {finding.state for finding in same.values()}


def test_what_the_old_one_did_is_kept_where_it_now_does_too_little() -> None:
    earlier = Reference(requests=500)
    assert reference_of(seen({"requests": 5}, {"requests": 0}), earlier) == earlier


def test_guards_that_are_null_say_nothing() -> None:
    off = dict.fromkeys(("errors", "refusals", "latency", "restarts", "predictions"))
    assert said(seen({"requests": 20, "failed": 20}, {"requests": 20}), off) == {}


def test_a_class_that_grew_by_ten_points_fails() -> None:
    rng = random.Random(6)

    def rows(*weights: float, count: int) -> list[dict[str, float | str]]:
        return [{"label": name} for name in rng.choices("abc", weights, k=count)]

    evidence = seen({"requests": 20}, {"requests": 80})
    moved = evidence.with_rows(rows(70, 24, 6, count=1400), rows(60, 30, 10, count=5800))
    finding = said(moved)["predictions"]
    assert finding.state == "failed"
    assert finding.message.startswith("label: share of 'a' ")
    assert (
        said(evidence.with_rows(rows(60, 30, 10, count=1400), rows(60, 30, 10, count=5800)))["predictions"].state
        == "ok"
    )


def test_equals_are_not_taken_back_by_chance() -> None:
    """Forty steps of 1,000 requests, all default guards, judged every few seconds; the bench has many more."""
    rng = random.Random(7)
    for _ in range(40):
        evidence = Evidence()
        for second in range(50):
            new, old = (noisy(rng, second) for _ in range(2))
            evidence = evidence.with_look(new, old).with_rows(
                [{"y": rng.gauss(0, 1)} for _ in range(new.requests)],
                [{"y": rng.gauss(0, 1)} for _ in range(old.requests)],
            )
            if second % 7 == 0 or second == 49:
                failed = [finding for finding in said(evidence).values() if finding.state == "failed"]
                assert failed == []


def noisy(rng: random.Random, second: int) -> Window:
    latency: dict[float, int] = {}
    for _ in range(20):
        seconds = rng.lognormvariate(-4, 0.5)
        latency[seconds] = 1
    failed = sum(rng.random() < 0.01 for _ in range(20))
    return a_window(second, 20, latency, failed=failed, refused=sum(rng.random() < 0.05 for _ in range(20 - failed)))

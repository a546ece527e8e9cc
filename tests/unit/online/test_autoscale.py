"""How many instances there shall be: Azure Monitor's semantics, each as a claim, and the limits around both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.autoscale import Autoscale, Memory
from penstock.domain.fields import parse
from penstock.online.autoscale import Decision, decide
from penstock.online.readings import Instances
from penstock.testing.readings import GivenReadings

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
_NONE = Memory()
CPU, LATENCY, RATE = "CpuUtilizationPercentage", "RequestLatency", "RequestsPerMinute"

OUT = {"condition": f"{CPU} > 70 avg 5m", "scale": "out 2", "cooldown": "10m"}
IN = {"condition": f"{CPU} < 30 avg 5m", "scale": "in 1"}
SLOW = {"condition": f"{LATENCY} > 100 avg 5m", "scale": "out 3"}
FAST = {"condition": f"{LATENCY} < 50 avg 5m", "scale": "in 3"}


def an_autoscale(*rules: dict[str, Any], **fields: Any) -> Autoscale:
    return parse(Autoscale, {"min": 1, "max": 10, "rules": list(rules), **fields}, "test")


def decided(
    spec: Autoscale,
    present: int,
    values: dict[str, float | None] | None = None,
    memory: Memory = _NONE,
    now: datetime = NOON,
    **given: Any,
) -> Decision:
    readings = GivenReadings(instances=Instances(present, given.pop("ready", present)), values=values or {}, **given)
    return decide(spec, readings, memory, now)


def test_out_if_any_rule_says_so_to_the_highest_number() -> None:
    spec = an_autoscale(OUT, SLOW, IN)
    assert decided(spec, 2, {CPU: 80, LATENCY: 10}).instances == 4
    assert decided(spec, 2, {CPU: 80, LATENCY: 200}).instances == 5


def test_in_only_if_all_rules_say_so_to_the_highest_number() -> None:
    spec = an_autoscale(IN, FAST)
    assert decided(spec, 6, {CPU: 10, LATENCY: 60}).instances == 6
    assert decided(spec, 6, {CPU: 10, LATENCY: 5}).instances == 5


def test_out_wins_over_in() -> None:
    assert decided(an_autoscale(SLOW, IN), 4, {CPU: 10, LATENCY: 200}).instances == 7


def test_the_threshold_itself_is_not_above_it() -> None:
    assert decided(an_autoscale(OUT, IN), 2, {CPU: 70}).instances == 2


def test_one_cooldown_that_of_the_rule_that_fired_blocks_both_directions() -> None:
    spec = an_autoscale(OUT, IN)
    first = decided(spec, 2, {CPU: 80})
    assert (first.instances, first.changed) == (4, True)
    for later, cpu, then in ((9, 95, 4), (9, 5, 4), (10, 95, 6), (10, 5, 3)):
        now = NOON + timedelta(minutes=later)
        assert decided(spec, 4, {CPU: cpu}, first.memory, now).instances == then, (later, cpu)


def test_a_rule_that_changes_nothing_begins_no_cooldown() -> None:
    at_most = decided(an_autoscale(OUT), 10, {CPU: 80})
    assert (at_most.instances, at_most.memory, at_most.changed) == (10, Memory(), False)


@pytest.mark.parametrize(
    ("cpu", "present", "step", "after"),
    [
        pytest.param(28, 3, 1, 2, id="28 % of three are 42 % of two"),
        pytest.param(28, 10, 9, 4, id="less than asked for, as 28 % of ten are 70 % of four"),
        pytest.param(29, 2, 1, 1, id="58 % of one"),
    ],
)
def test_in_is_reduced_to_what_would_not_bring_them_back(cpu: float, present: int, step: int, after: int) -> None:
    spec = an_autoscale(OUT, {**IN, "scale": f"in {step}"})
    assert decided(spec, present, {CPU: cpu}).instances == after


def test_in_is_skipped_where_every_number_would_bring_them_back() -> None:
    spec = an_autoscale({**OUT, "condition": f"{CPU} > 50 avg 5m"}, {**IN, "condition": f"{CPU} < 45 avg 5m"})
    decision = decided(spec, 3, {CPU: 40})
    assert decision.instances == 3
    assert f"{CPU} would be 60% with 2 instances" in decision.reason


def test_the_rate_of_the_whole_deployment_is_not_changed_by_fewer_instances() -> None:
    rules = (
        {"condition": f"{RATE} > 900 avg 5m", "scale": "out 1"},
        {"condition": f"{RATE} < 800 avg 5m", "scale": "in 1"},
    )
    assert decided(an_autoscale(*rules), 3, {RATE: 700}).instances == 2
    each = tuple({**rule, "per_instance": True} for rule in rules)
    assert decided(an_autoscale(*each), 3, {RATE: 700}).instances == 3


@pytest.mark.parametrize(("present", "after"), [(1, 4), (3, 4), (4, 4), (7, 7)])
def test_what_cannot_be_read_brings_the_default_and_takes_nothing(present: int, after: int) -> None:
    decision = decided(an_autoscale(OUT, IN, default=4), present, {CPU: None})
    assert decision.instances == after
    assert f"{CPU} cannot be read" in decision.reason


def test_nothing_goes_while_one_of_the_metrics_cannot_be_read() -> None:
    assert decided(an_autoscale(OUT, IN, SLOW), 5, {CPU: 1, LATENCY: None}).instances == 5


def test_a_rule_that_can_be_read_scales_out_although_another_cannot() -> None:
    assert decided(an_autoscale(OUT, SLOW), 5, {CPU: 90, LATENCY: None}).instances == 7


def test_exactly_so_many_goes_either_way() -> None:
    rules = ({"condition": f"{CPU} > 70 avg 5m", "scale": "to 6"}, {"condition": f"{CPU} < 20 avg 5m", "scale": "to 2"})
    assert decided(an_autoscale(*rules), 3, {CPU: 80}).instances == 6
    assert decided(an_autoscale(*rules), 3, {CPU: 10}).instances == 2


def test_an_autoscale_that_is_not_enabled_changes_nothing() -> None:
    assert decided(an_autoscale(OUT, enabled=False), 20, {CPU: 90}).instances == 20


PROFILES = {
    "profiles": [
        {"name": "nights", "min": 0, "max": 1, "recurrence": {"days": "daily", "start": "20:00", "end": "06:00"}},
        {"name": "fair", "min": 5, "max": 9, "fixed": {"start": "2026-11-25T10:00", "end": "2026-11-25T23:00"}},
        {"name": "late", "min": 2, "max": 3, "recurrence": {"days": "daily", "start": "22:00", "end": "23:30"}},
    ]
}


@pytest.mark.parametrize(
    ("now", "profile"),
    [
        ("2026-11-24T12:00", "default"),
        ("2026-11-24T20:00", "nights"),
        ("2026-11-24T22:00", "late"),
        ("2026-11-24T23:30", "nights"),
        ("2026-11-25T06:00", "default"),
        ("2026-11-25T10:00", "fair"),
        ("2026-11-25T22:30", "fair"),
        ("2026-11-25T23:00", "late"),
    ],
)
def test_a_fixed_date_comes_first_then_the_recurrence_that_began_last(now: str, profile: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert decided(an_autoscale(**PROFILES), 3, flight=1, now=at).profile == profile


def test_a_recurrence_of_azures_ends_when_its_pair_begins() -> None:
    def weekly(name: str, day: str, start: str) -> dict[str, Any]:
        return {"name": name, "min": 2, "max": 2, "recurrence": {"days": day, "start": start}}

    spec = an_autoscale(
        profiles=[weekly("sat", "sat", "00:00"), weekly('{"name":"default","for":"sat"}', "sat", "23:59")]
    )
    for now, profile in (("2026-11-28T12:00", "sat"), ("2026-11-29T00:00", "default"), ("2026-12-04T23:59", "default")):
        at = datetime.fromisoformat(now).replace(tzinfo=UTC)
        assert decided(spec, 2, flight=1, now=at).profile == profile, now


def test_the_limits_of_a_profile_hold_at_once_whatever_is_read() -> None:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert decided(an_autoscale(OUT, **PROFILES), 2, {CPU: None}, now=at).instances == 5
    night = datetime(2026, 11, 24, 21, tzinfo=UTC)
    assert decided(an_autoscale(**PROFILES), 4, flight=None, now=night).instances == 1


def test_prewarming_raises_the_minimum_for_its_time() -> None:
    spec = an_autoscale(min=0, max=3, prewarm=[{"days": "wed", "start": "11:30", "end": "13:00", "instances": 2}])
    idle = {"flight": 0.0, "idle_for": timedelta(hours=1)}
    assert decided(spec, 0, **idle).instances == 2
    assert decided(spec, 2, **idle).instances == 2
    assert decided(spec, 2, now=NOON + timedelta(hours=1), **idle).instances == 0


@pytest.mark.parametrize("rules", [(), (OUT, IN)])
def test_the_last_instance_goes_after_the_idle_time_and_not_before(rules: tuple[dict[str, Any], ...]) -> None:
    spec = an_autoscale(*rules, min=0, idle_time="5m")
    quiet = {"values": {CPU: 0.0}, "flight": 0.0}
    assert decided(spec, 1, **quiet, idle_for=timedelta(minutes=4)).instances == 1
    assert decided(spec, 3, **quiet, idle_for=timedelta(minutes=5)).instances == 0
    assert decided(spec, 1, **quiet, idle_for=None).instances == 1
    assert decided(an_autoscale(*rules), 1, **quiet, idle_for=timedelta(hours=1)).instances == 1


def test_nobody_falls_asleep_whose_metrics_cannot_be_read() -> None:
    assert decided(an_autoscale(OUT, min=0), 1, {CPU: None}, idle_for=timedelta(hours=1)).instances == 1


@pytest.mark.parametrize("rules", [(), (OUT, IN)])
def test_a_request_wakes_and_nothing_else_does(rules: tuple[dict[str, Any], ...]) -> None:
    spec = an_autoscale(*rules, min=0)
    assert decided(spec, 0, {CPU: 0.0}, flight=0.0, idle_for=timedelta(hours=1)).instances == 0
    assert decided(spec, 0, {CPU: 0.0}, flight=9.0, idle_for=timedelta(0)).instances == 1
    starting = decided(spec, 1, {CPU: 0.0}, ready=0, flight=9.0, idle_for=timedelta(0))
    assert (starting.instances, starting.changed) == (1, False)


@pytest.mark.parametrize("rules", [(), (OUT, IN)])
def test_what_is_over_does_not_wake_although_its_window_still_has_it(rules: tuple[dict[str, Any], ...]) -> None:
    spec = an_autoscale(*rules, min=0, idle_time="10s")
    past = {"values": {CPU: 99.0}, "flight": 0.2, "flight_now": 0.0}
    assert decided(spec, 1, **past, idle_for=timedelta(seconds=10)).instances == 0
    after = decided(spec, 0, **past, ready=0, idle_for=timedelta(seconds=12))
    assert (after.instances, after.memory.scaled_at) == (0, None)
    assert decided(spec, 0, **past, ready=0, idle_for=timedelta(seconds=1)).instances == 1


SPECS = st.builds(
    lambda low, more, rules, profiles: an_autoscale(*rules, min=low, max=max(1, low + more), **profiles),
    st.integers(0, 5),
    st.integers(0, 8),
    st.lists(st.sampled_from([OUT, IN, SLOW, FAST]), max_size=4, unique_by=str),
    st.sampled_from([{}, PROFILES]),
)
VALUES = st.none() | st.floats(0, 300)


@given(
    SPECS,
    st.integers(0, 20),
    st.integers(0, 20),
    st.fixed_dictionaries({CPU: VALUES, LATENCY: VALUES}),
    st.none() | st.floats(0, 50),
    st.none() | st.integers(0, 3600).map(lambda s: timedelta(seconds=s)),
    st.datetimes(datetime(2026, 11, 23), datetime(2026, 11, 30)),
)
def test_the_number_is_within_the_limits_and_no_smaller_for_what_cannot_be_read(  # noqa: PLR0917
    spec: Autoscale,
    present: int,
    ready: int,
    values: dict[str, float | None],
    flight: float | None,
    idle_for: timedelta | None,
    at: datetime,
) -> None:
    now = at.replace(tzinfo=UTC)
    decision = decided(spec, present, values, now=now, ready=ready, flight=flight, idle_for=idle_for)
    capacity = next((p for p in spec.profiles if p.name == decision.profile), spec)
    assert capacity.min <= decision.instances <= capacity.max
    assert decision.changed or decision.instances == present
    assert decision.reason.endswith(tuple("abcdefghijklmnopqrstuvwxyz0123456789%)")), decision.reason
    unread = all(value is None for value in values.values()) if capacity.rules else flight is None
    if unread:
        assert decision.instances >= min(present, capacity.max)


@given(
    st.integers(1, 20),
    st.integers(40, 95),
    st.integers(1, 40),
    st.integers(1, 5),
    st.integers(1, 5),
    st.floats(0, 1900),
    st.integers(1, 20),
)
def test_a_steady_load_is_never_scaled_in_and_out_again_by_rules(  # noqa: PLR0917
    most: int, high: int, gap: int, more: int, fewer: int, work: float, present: int
) -> None:
    """`work` is shared evenly; decisions come as often as cool-downs let them."""
    spec = an_autoscale(
        {"condition": f"{CPU} > {high} avg 1m", "scale": f"out {more}", "cooldown": "0s"},
        {"condition": f"{CPU} < {high - gap} avg 1m", "scale": f"in {fewer}", "cooldown": "0s"},
        max=most,
    )
    went_in = False
    for n in range(40):
        after = decided(spec, present, {CPU: work / present}, now=NOON + timedelta(seconds=2 * n)).instances
        assert not (went_in and after > present)
        went_in = went_in or after < present
        present = after
    assert decided(spec, present, {CPU: work / present}).instances == present

"""Rules in the words of `az monitor autoscale rule create`."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.autoscale_rule import (
    AGGREGATIONS,
    METRICS,
    OPERATORS,
    Action,
    Rule,
    parse_condition,
    parse_scale,
    parse_timegrain,
)
from penstock.domain.durations import span_text

SPANS = st.integers(5, 3600).map(lambda seconds: timedelta(seconds=seconds))


@given(
    st.sampled_from(sorted(METRICS)),
    st.sampled_from(OPERATORS),
    st.integers(-(10**9), 10**9).map(lambda n: n / 1000),
    st.sampled_from(AGGREGATIONS),
    SPANS,
    st.sampled_from([" ", "  ", "\t"]),
)
def test_every_condition_is_read_as_written_and_written_as_read(
    metric: str, operator: str, threshold: float, aggregation: str, window: timedelta, gap: str
) -> None:
    text = gap.join([metric, operator, f"{threshold:.3f}", aggregation, span_text(window)])
    trigger = parse_condition(text)
    assert parse_condition(text.replace(metric, metric.upper())) == trigger
    assert (trigger.metric, trigger.operator, trigger.aggregation) == (metric, operator, aggregation)
    assert trigger.threshold == pytest.approx(threshold)
    assert trigger.window == window
    assert parse_condition(trigger.condition) == trigger


@given(
    st.text(max_size=60) | st.lists(st.sampled_from(["a", " ", ">", "7", "avg", "5m", "'"]), max_size=12).map("".join)
)
def test_any_text_is_a_condition_or_refused_with_a_reason(text: str) -> None:
    for parser in (parse_condition, parse_scale, parse_timegrain):
        refusal = "" if _reads(parser, text) else _refusal(parser, text)
        assert refusal == "" or len(refusal) > 20


def _reads(parser: Callable[[str], object], text: str) -> bool:
    with suppress(ValueError):
        parser(text)
        return True
    return False


def _refusal(parser: Callable[[str], object], text: str) -> str:
    with pytest.raises(ValueError, match=r"understood|known|short|give|remove|range|number") as refused:
        parser(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("Cpu > 70 avg 5m", "metric 'Cpu' is not known here"),
        ("CpuUtilization > 70 avg 5m", "did you mean 'CpuUtilizationPercentage'?"),
        ("RequestLatency > 70 mean 5m", "aggregation 'mean' is not known"),
        ("RequestLatency => 70 avg 5m", "operator '=>'"),
        ("RequestLatency > 70 avg 12h", "measurements are kept for an hour"),
        ("RequestLatency > 70 avg 1s", "give 5s to 1h"),
        ("RequestLatency > 70 avg", "write METRIC OPERATOR THRESHOLD"),
        ("RequestLatency > 70 avg 5m where deployment == blue", "remove `where ...`"),
    ],
)
def test_what_is_wrong_with_a_condition_is_said(condition: str, part: str) -> None:
    with pytest.raises(ValueError, match="condition") as refused:
        Rule(condition=condition, scale="out 1")
    assert part in str(refused.value)


@pytest.mark.parametrize(
    ("scale", "present", "after"),
    [
        ("out 2", 3, 5),
        ("in 1", 3, 2),
        ("in 5", 3, 0),
        ("to 7", 3, 7),
        ("out 50%", 3, 5),
        ("out 1%", 3, 4),
        ("in 50%", 3, 2),
        ("in 1%", 3, 2),
        ("OUT 2", 1, 3),
    ],
)
def test_an_action_changes_the_number(scale: str, present: int, after: int) -> None:
    assert parse_scale(scale).applied(present) == after


@pytest.mark.parametrize("scale", ["up 1", "out", "out 0", "out -1", "to 5%", "out 1.5", "out 1001"])
def test_other_words_are_no_action(scale: str) -> None:
    with pytest.raises(ValueError, match="scale"):
        parse_scale(scale)


def test_a_rule_is_stored_in_one_spelling() -> None:
    rule = Rule.model_validate(
        {
            "condition": "requestlatency_p99 >= 70.0 AVG PT5M",
            "scale": "Out 2",
            "cooldown": "PT1H",
            "timegrain": "max 60s",
        }
    )
    assert rule.model_dump(mode="json") == {
        "condition": "RequestLatency_P99 >= 70 avg 5m",
        "scale": "out 2",
        "cooldown": "1h",
        "timegrain": "max 1m",
        "per_instance": False,
    }
    assert Rule.model_validate(rule.model_dump(mode="json")) == rule
    assert rule.action == Action("out", 2)
    assert rule.trigger.grain == timedelta(minutes=1)

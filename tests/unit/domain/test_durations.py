"""Spans of time as people write them."""

from datetime import timedelta

import pytest

from penstock.domain.durations import duration
from penstock.domain.errors import PenstockError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
        ("2w", timedelta(weeks=2)),
        ("0d", timedelta(0)),
    ],
)
def test_a_number_and_a_unit_are_a_duration(text, meant):
    assert duration(text) == meant


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "30 d", "30D", "100000d", "\u0663d\u0663"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(PenstockError, match="write for example 30d"):
        duration(text)

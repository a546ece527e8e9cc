"""Traffic as it is written on a command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.traffic import parse_traffic
from penstock.domain.errors import Code, PenstockError


@pytest.mark.parametrize(
    ("written", "percents"),
    [
        (["blue=90 green=10"], {"blue": 90, "green": 10}),
        (["blue=90,green=10"], {"blue": 90, "green": 10}),
        (["blue=90", "green=10%"], {"blue": 90, "green": 10}),
        (["blue=0"], {"blue": 0}),
    ],
)
def test_every_way_to_write_traffic_is_read(written: list[str], percents: dict[str, int]) -> None:
    assert parse_traffic("--traffic", written) == percents


@pytest.mark.parametrize("written", ["", "blue", "blue=", "=10", "blue=ten", "blue=-1", "blue=1.5", "a=1 a=2"])
def test_what_is_no_traffic_is_refused(written: str) -> None:
    with pytest.raises(PenstockError, match="--traffic") as refused:
        parse_traffic("--traffic", [written])
    assert refused.value.code is Code.INVALID


@given(st.dictionaries(st.text("abcXYZ-_09", min_size=1), st.integers(0, 100), min_size=1))
def test_traffic_survives_being_written_and_read(percents: dict[str, int]) -> None:
    written = " ".join(f"{name}={percent}" for name, percent in percents.items())
    assert parse_traffic("--traffic", [written]) == percents


@given(st.text())
def test_any_text_is_traffic_or_refused(text: str) -> None:
    refusal: PenstockError | None = None
    try:
        assert all(0 <= percent <= 999 for percent in parse_traffic("--traffic", [text]).values())
    except PenstockError as err:
        refusal = err
    assert refusal is None or refusal.code is Code.INVALID

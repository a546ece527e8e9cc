"""No bytes make a parser raise what it must not: a search of some seconds; `make fuzz` is a longer one."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.parsers import PARSERS, SEEDS
from hypothesis import given
from hypothesis import strategies as st

FUZZ = Path(__file__).with_name("fuzz.py")


@given(st.sampled_from(sorted(PARSERS)), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(name: str, content: bytes) -> None:
    PARSERS[name](content)


@given(st.data())
def test_what_is_nearly_right_is_read_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(PARSERS)))
    seed = data.draw(st.sampled_from(SEEDS[name]))
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, len(seed)))
    PARSERS[name](seed[:start] + data.draw(st.sampled_from(SEEDS[name]) | st.binary(max_size=9)) + seed[end:])


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this interpreter")
@pytest.mark.parametrize("name", PARSERS)
def test_a_search_finds_nothing(name: str, tmp_path: Path) -> None:
    # One seed, so that a run fails for nothing that another run would not have tried; `make fuzz` tries others.
    command = [sys.executable, str(FUZZ), name, "-seed=1", "-max_total_time=2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-4000:]

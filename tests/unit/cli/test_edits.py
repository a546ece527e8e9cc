"""--set, --add, --remove and --force-string on plain data."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.edits import SEPARATOR, Edits, edited
from penstock.domain.errors import Code, PenstockError


def added(*words: str) -> str:
    return SEPARATOR.join(words)


@pytest.mark.parametrize(
    ("before", "edits", "after"),
    [
        pytest.param({"a": 1}, Edits(sets=["a=2"]), {"a": 2}, id="set replaces"),
        pytest.param({}, Edits(sets=["a.b.c=x"]), {"a": {"b": {"c": "x"}}}, id="set makes the maps on the way"),
        pytest.param({"a": None}, Edits(sets=["a.b=1"]), {"a": {"b": 1}}, id="set fills what has no value"),
        pytest.param({}, Edits(sets=["a=b=c"]), {"a": "b=c"}, id="set splits at the first equals sign"),
        pytest.param({"a": [1, 2]}, Edits(sets=["a.1=5"]), {"a": [1, 5]}, id="set reaches into lists"),
        pytest.param({}, Edits(sets=['a={"x": [1]}']), {"a": {"x": [1]}}, id="set takes JSON"),
        pytest.param({}, Edits(sets=["a=3"], force_string=True), {"a": "3"}, id="force-string keeps text"),
        pytest.param({"a": [1]}, Edits(adds=[added("a", "2", "x")]), {"a": [1, 2, "x"]}, id="add appends to a list"),
        pytest.param({"t": {"a": "1"}}, Edits(adds=[added("t", "b=2")]), {"t": {"a": "1", "b": 2}}, id="add to a map"),
        pytest.param({}, Edits(adds=[added("l", "x")]), {"l": ["x"]}, id="add begins a list"),
        pytest.param({"a": {"b": 1, "c": 2}}, Edits(removes=["a.b"]), {"a": {"c": 2}}, id="remove a field"),
        pytest.param({"a": [1, 2]}, Edits(removes=[added("a", "0")]), {"a": [2]}, id="remove a list's entry"),
        pytest.param({"a": 1}, Edits(sets=["b=1"], removes=["b"]), {"a": 1}, id="set comes before remove"),
    ],
)
def test_edits(before: dict[str, Any], edits: Edits, after: dict[str, Any]) -> None:
    original = copy.deepcopy(before)
    assert edited(before, edits) == after
    assert before == original


@pytest.mark.parametrize(
    ("edits", "part"),
    [
        pytest.param(Edits(sets=["a"]), "PATH=VALUE", id="set without a value"),
        pytest.param(Edits(sets=["a..b=1"]), "names with dots between", id="an empty name in a path"),
        pytest.param(Edits(sets=["n.x=1"]), "not a map", id="a path through a number"),
        pytest.param(Edits(sets=["l.7=1"]), "no entry '7'", id="an entry that is not there"),
        pytest.param(Edits(sets=["l.²=1"]), "no entry", id="a digit that is no number"),
        pytest.param(Edits(sets=["a={oops"]), "--force-string", id="broken JSON"),
        pytest.param(Edits(adds=["l"]), "PATH VALUE", id="add without a value"),
        pytest.param(Edits(adds=[added("n", "1")]), "KEY=VALUE to a map", id="add to a number"),
        pytest.param(Edits(removes=["x"]), "no 'x' to remove", id="remove what is not there"),
    ],
)
def test_an_edit_that_cannot_be_made_is_named(edits: Edits, part: str) -> None:
    with pytest.raises(PenstockError) as refused:
        edited({"n": 1, "l": [1]}, edits)
    assert refused.value.code is Code.INVALID
    assert part in refused.value.message


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
_WORDS = st.lists(st.text("abc.=01{[\"'²", max_size=8), max_size=3)


@given(st.dictionaries(st.sampled_from("abc"), _JSON, max_size=3), _WORDS, _WORDS, _WORDS)
def test_any_edit_is_made_or_refused(
    fields: dict[str, Any], sets: list[str], adds: list[str], removes: list[str]
) -> None:
    original = copy.deepcopy(fields)
    edits = Edits(sets=sets, adds=[a.replace("=", SEPARATOR, 1) for a in adds], removes=removes)
    refusal: PenstockError | None = None
    try:
        json.dumps(edited(fields, edits))
    except PenstockError as err:
        refusal = err
    assert refusal is None or refusal.code is Code.INVALID
    assert fields == original


@given(st.lists(st.text("abcd", min_size=1, max_size=3), min_size=1, max_size=4), st.text("xyz", min_size=1))
def test_what_is_set_can_be_read_back(path: list[str], value: str) -> None:
    here: Any = edited({}, Edits(sets=[f"{'.'.join(path)}={value}"], force_string=True))
    for part in path:
        here = here[part]
    assert here == value

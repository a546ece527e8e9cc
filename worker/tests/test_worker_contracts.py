"""Data contracts: their expressions and patterns, what they find in tables, and files that change under a worker."""

import contextlib
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_worker import contract
from penstock_worker.data_contract import ContractError, contract_of
from penstock_worker.expressions import ExpressionError, parse_expression
from penstock_worker.faults import FaultyInputError
from penstock_worker.guard import Guard, Verdict
from penstock_worker.guarding import Guarding, Policy
from penstock_worker.patterns import PatternError, parse_pattern


@pytest.mark.parametrize(
    ("text", "row", "violated"),
    [
        ("a < 3", {"a": 2}, False),
        ("a < 3", {"a": 3}, True),
        ("0 <= a < 3", {"a": -1}, True),
        ("a + b * 2 == 7 and -a < 0", {"a": 1, "b": 3}, False),
        ("a / b > 1 or a % 2 == 1", {"a": 3, "b": 4}, False),
        ("not (a == 1)", {"a": 1}, True),
        ("a in ['x', 1, true]", {"a": "x"}, False),
        ("a in [1]", {"a": True}, True),
        ("a not in ['x']", {"a": "x"}, True),
        ("len(a) == 2 and abs(b) >= 1", {"a": "xy", "b": -1}, False),
        ("column('a b') == a", {"a b": 1, "a": 1}, False),
        ("a is null or b > a", {"a": None, "b": 0}, False),
        ("a is not null", {"a": math.nan}, True),
        ("a == 1", {"a": True}, True),
    ],
)
def test_rules_hold_or_are_broken(text: str, row: dict[str, Any], violated: bool) -> None:
    expression = parse_expression(text)
    assert expression.violated([row[name] for name in expression.names]) is violated


def test_what_is_not_known_breaks_no_rule_and_what_cannot_be_computed_does() -> None:
    assert not parse_expression("a < 3").violated([None])
    assert not parse_expression("a < 3 and b > a").violated([math.nan, 1])
    assert parse_expression("a < 3 and b > 1").violated([None, 0])
    for text, row in (("a < 3", ["x"]), ("1 / a > 0", [0]), ("a * 2 > 0", ["x"]), ("a % 2 == 1", ["%9999999d"])):
        assert parse_expression(text).violated(row), text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a ** 9", "Pow is not allowed"),
        ("__import__('os').system('x')", "only len(x), abs(x) and column('name') can be called"),
        ("a.__class__", "Attribute is not allowed"),
        ("a[0]", "Subscript is not allowed"),
        ("[x for x in a]", "ListComp is not allowed"),
        ("a is 1", "`is` is for null alone"),
        ("a in b", "`in` takes a list of values"),
        ("a in [-'x']", "a minus sign goes before a number"),
        ("1 < 2", "names no column"),
        ("a <", "is not an expression"),
        ("-" * 500 + "a", "too large"),
        ("a" * 2000, "at most 1000"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as error:
        parse_expression(text)
    assert said in str(error.value)


SPELLED = "a b null true 1 2.5 'x' ( ) [ ] , and or not in is < == + - * / % len( abs( column( . lambda: if { } : \\"
WORDS = st.sampled_from(SPELLED.split())
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.none(), max_size=2)


@given(text=st.text(max_size=60) | st.lists(WORDS, max_size=14).map(" ".join), data=st.data())
def test_any_text_is_a_rule_or_refused_and_any_row_keeps_or_breaks_it(text: str, data: st.DataObject) -> None:
    try:
        expression = parse_expression(text)
    except ExpressionError:
        return
    row = [data.draw(VALUES) for _ in expression.names]
    assert expression.violated(row) in (True, False)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(a+)+", "repeats what repeats"),
        ("(a|b)*", "repeats what repeats"),
        ("(a?){50}", "repeats what repeats"),
        (".*.*.*x", "too many choices"),
        ("a?" * 40, "too many choices"),
        (r"(a)\1", "is not taken"),
        ("(?=a)", "only (?: is taken"),
        ("a{1,900}", "more than 256 times"),
        ("[a", "a bracket is not closed"),
        ("a)", "unbalanced"),
    ],
)
def test_patterns_that_may_take_long_are_refused(pattern: str, said: str) -> None:
    with pytest.raises(PatternError) as error:
        parse_pattern(pattern)
    assert said in str(error.value)


def test_patterns_match_whole_texts() -> None:
    matches = parse_pattern(r"[A-Z]{2}-\d{2,4}(-x)?")
    assert [bool(matches(text)) for text in ("AB-12", "AB-12-x", "AB-1", " AB-12", "AB-12\n", "AB-١٢")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    address = parse_pattern(r"([0-9]{1,3}\.){3}[0-9]{1,3}")
    assert address("127.0.0.1")
    assert not address("127.0.0")


SIGNS = r"a b . * + ? {1,3} {2} ( ) (?: [ ] ^ | \d -"
PIECES = st.sampled_from(SIGNS.split())


@given(pattern=st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=12))
def test_a_pattern_that_is_taken_answers_at_once(pattern: str) -> None:
    try:
        matches = parse_pattern(pattern)
    except PatternError:
        return
    began = time.process_time()
    for text in ("a" * 256, "ab" * 128, "a" * 255 + "!", "1" * 256):
        matches(text)
    assert time.process_time() - began < 1.0


PEOPLE = {
    "name": "people",
    "columns": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "id": {"type": "string", "pattern": "[A-Z][0-9]", "unique": True, "mode": "warn"},
        "colour": {"values": ["red", "green", 3], "nullable": True, "mode": "shadow"},
        "note": {"type": "string", "max_length": 3, "required": False},
    },
    "rules": [{"name": "adult", "check": "age >= 18 or note == 'kid'", "message": "adults, or a note"}],
}


def judged(columns: dict[str, list[Any]], document: Any = PEOPLE) -> Verdict:
    verdict = Verdict()
    Guard(contract_of(document)).judge_columns(columns, verdict)
    return verdict


def counts(verdict: Verdict) -> dict[str, int]:
    return {f"{found.rule} {found.mode}": count for found, count in verdict.counts.items()}


def test_a_table_is_judged_as_a_whole() -> None:
    verdict = judged(
        {
            "age": [20, 130, "x", None, True, 10, 2.0],
            "id": ["A1", "A1", "aa", "B1", "B2", "B3", 5],
            "colour": ["red", "blue", None, 3, [], "green", True],
            "note": [None, "abcd", "a", "b", "c", "d", "kid"],
        }
    )
    assert counts(verdict) == {
        "age.range enforce": 1,
        "age.type enforce": 2,
        "age.null enforce": 1,
        "id.pattern warn": 1,
        "id.type warn": 1,
        "id.unique warn": 1,
        "colour.values shadow": 3,
        "note.null enforce": 1,
        "note.length enforce": 1,
        "adult enforce": 3,
    }
    assert verdict.warnings == 3
    told = [(fault.row, fault.column, fault.expected, fault.got) for fault in verdict.faults]
    assert (1, "age", "a whole number from 0 to 120", "the number 130") in told
    assert (5, None, "adults, or a note", "") in told


def test_single_rows_are_judged_as_many_are() -> None:
    for age, found in ((20, {}), (130, {"age.range enforce": 1}), (None, {"age.null enforce": 1}), ([], None)):
        columns = {"age": [age], "id": ["A1"], "colour": ["red"], "note": ["a"]}
        doubled = {name: values * 2 for name, values in columns.items()}
        single, twice = counts(judged(columns)), counts(judged(doubled))
        twice.pop("id.unique warn")
        assert {rule: 2 * count for rule, count in single.items()} == twice
        assert found is None or single == found


def test_columns_that_are_missing_and_those_of_no_rule() -> None:
    assert counts(judged({"id": ["A1"], "colour": [None], "else": [object()]})) == {"age.missing enforce": 1}


@given(rows=st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=1, max_size=4))
def test_any_values_are_judged(rows: list[tuple[Any, ...]]) -> None:
    columns = dict(zip(("age", "id", "colour", "note"), map(list, zip(*rows, strict=True)), strict=True))
    verdict = judged(columns)
    assert verdict.faults.count == sum(count for found, count in verdict.counts.items() if found.mode == "enforce")


def test_what_callers_are_told_is_bounded() -> None:
    names = {f"{'ü' * 100}{at}": [None] * 50 for at in range(100)}
    verdict = judged(names, {"columns": {name: {"type": "number"} for name in names}})
    body = FaultyInputError(verdict.faults).body["error"]
    assert len(json.dumps(body)) < 34_000
    assert len(body["details"]) + body["more"] == 5000
    assert body["message"].endswith("(and 4999 more faults)")


JSON = st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner), max_leaves=8)
FIELD = st.sampled_from(["type", "minimum", "maximum", "values", "pattern", "mode", "max_length", "unique", "nullable"])
COLUMN = JSON | st.dictionaries(FIELD, JSON | st.sampled_from(["number", "warn", "a+"]))
RULE = JSON | st.fixed_dictionaries({"check": st.text(max_size=5) | JSON})
CONTRACT = JSON | st.fixed_dictionaries(
    {}, optional={"columns": st.dictionaries(st.text(max_size=3), COLUMN) | JSON, "rules": st.lists(RULE) | JSON}
)


@given(document=CONTRACT)
def test_any_document_is_a_contract_or_refused(document: Any) -> None:
    with contextlib.suppress(ContractError):
        Guard(contract_of(document)).judge_columns({"a": [1]}, Verdict())


def test_a_file_that_changes_is_taken_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "contracts.json"
    guarding = Guarding(Policy(), None, path)
    guarding.look()
    assert guarding.guards == ()
    replaced(path, {"contracts": [PEOPLE]})
    guarding.look()
    assert [guard.contract.name for guard in guarding.guards] == ["people"]
    for broken in ({"contracts": [{"columns": {"a": {"type": "x"}}}]}, [1], {}):
        replaced(path, broken)
        guarding.look()
        assert [guard.contract.name for guard in guarding.guards] == ["people"]
    path.unlink()
    guarding.look()
    assert guarding.guards == ()


SCRIPT = """
    import json
    def init(): pass
    def run(raw_data): return len(raw_data)
"""


def test_a_script_is_guarded_whatever_the_shape_of_the_table(start_worker: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "contracts.json"
    columns = {"age": {"type": "number", "maximum": 120}, "id": {"type": "string"}}
    replaced(path, {"contracts": [{"name": "people", "input": "data", "columns": columns}]})
    worker = start_worker(SCRIPT, **{contract.CONTRACT: str(path), contract.FAULTS: contract.FIELDS})
    split = {"columns": ["id", "age"], "data": [["x", 1]]}
    for good in ([[1, "x"]], [{"age": 1, "id": "x"}], split, {"age": [1], "id": ["x"]}):
        assert worker.score({"data": good}).status == 200, good
    error = worker.score({"data": [{"age": 200, "id": "x"}, {"age": "secret"}]}).json()["error"]
    assert [(detail["row"], detail["column"]) for detail in error["details"]] == [(0, "age"), (1, "age"), (1, "id")]
    assert "secret" not in json.dumps(error)
    for bad in ({"data": [[1, "x"], [1]]}, {"data": 5}, {"else": []}, [], {"data": []}):
        answer = worker.score(bad)
        assert answer.status == 400, bad
        assert answer.headers["x-ms-run-function-failed"] == "False"
    assert worker.score("{").status == 400
    metrics = worker.request("GET", "/metrics").body.decode()
    assert 'penstock_contract_violations_total{contract="people",mode="enforce",rule="age.range"} 1' in metrics


def replaced(path: Path, document: Any) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document))
    os.replace(new, path)

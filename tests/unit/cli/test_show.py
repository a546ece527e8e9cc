"""How results are printed."""

import json

import pytest
import yaml

from penstock.cli.errors import NEXT, told
from penstock.cli.previews import plan_text
from penstock.cli.shapes import logs_text
from penstock.cli.show import Output, Query, plain, rendered, table
from penstock.domain.errors import Code, PenstockError, failed

ROWS = [
    {"name": "fraud", "traffic": {"blue": 90, "green": 10}, "ready": True, "note": None},
    {"name": "é", "traffic": {}, "ready": False, "note": "a\x1b[31m\nb"},
]


def test_json_and_yaml_say_the_same() -> None:
    assert json.loads(rendered(ROWS, Output.JSON, plain)) == ROWS
    assert yaml.safe_load(rendered(ROWS, Output.YAML, plain)) == ROWS
    assert "é" in rendered(ROWS, Output.JSON, plain)


def test_a_table_is_aligned_and_obeys_no_escape_sequence() -> None:
    assert rendered(ROWS, Output.TABLE, table("name", "traffic", "note")).splitlines() == [
        "Name   Traffic           Note",
        "fraud  blue=90 green=10",
        "é                        a [31m b",
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"a": 1, "b": True}, "1\ttrue"),
        ([{"a": 1}, {"a": None}], "1\n"),
        (["x", "y"], "x\ny"),
        ("http://h", "http://h"),
        (None, ""),
        ([["a", 1]], "a\t1"),
    ],
)
def test_tsv_is_values_alone(data: object, text: str) -> None:
    assert rendered(data, Output.TSV, plain) == text


def test_none_prints_nothing() -> None:
    assert rendered(ROWS, Output.NONE, plain) == ""


def test_a_query_picks() -> None:
    assert Query("[?ready].name | [0]").search(ROWS) == "fraud"
    assert rendered("fraud", Output.TABLE, plain) == "fraud"


@pytest.mark.parametrize("expression", ["[", "", "nope(@)", "sum(@)"])
def test_a_faulty_query_is_refused(expression: str) -> None:
    with pytest.raises(PenstockError, match="--query") as refused:
        Query(expression).search(ROWS)
    assert refused.value.code is Code.INVALID


def test_an_error_is_one_line_then_its_traceback_then_the_next_command() -> None:
    error = failed("deployment 'blue' cannot start", {"traceback": "File score.py\nValueError: x", "faults": "-"})
    error.details[NEXT] = "penstock online-deployment get-logs"
    assert told(error).splitlines() == [
        "error: deployment 'blue' cannot start",
        "traceback:",
        "  File score.py",
        "  ValueError: x",
        "next: penstock online-deployment get-logs",
    ]


def test_a_plan_lists_each_field_and_the_sum() -> None:
    rows = [
        {"kind": "model", "name": "m:1", "change": "unchanged", "differences": []},
        {
            "kind": "online-endpoint",
            "name": "fraud",
            "change": "created",
            "differences": [{"path": "auth_mode", "old": None, "new": "key"}],
        },
        {
            "kind": "online-deployment",
            "name": "fraud/blue",
            "change": "updated",
            "differences": [{"path": "instance_count", "old": 1, "new": 2}, {"path": "model", "old": "x", "new": None}],
        },
    ]
    assert plan_text(rows).splitlines() == [
        "model m:1: unchanged",
        "online-endpoint fraud: created",
        "  auth_mode: key",
        "online-deployment fraud/blue: updated",
        "  instance_count: 1 -> 2",
        "  model: x -> (none)",
        "",
        "1 to create, 1 to update, 1 unchanged",
    ]


def test_logs_are_told_apart_only_where_there_are_several() -> None:
    one, two = {"name": "a", "text": "x\n"}, {"name": "b", "text": "y\n"}
    assert logs_text([one]) == "x"
    assert logs_text([one, two]) == "==> a <==\nx\n\n==> b <==\ny"

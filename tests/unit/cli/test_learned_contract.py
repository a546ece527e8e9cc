"""Contracts that data proposes, and rows that would break them."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.cli.checked_rows import broken_rules
from penstock.cli.data_files import read_rows
from penstock.cli.learned_contract import learned, yaml_of
from penstock.domain.contract import Contract
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse


@pytest.mark.parametrize(
    ("values", "rules"),
    [
        ([1, 2, 11], {"type": "integer", "minimum": 0, "maximum": 12}),
        ([-10, 10], {"type": "integer", "minimum": -12, "maximum": 12}),
        ([0.5, 1.5, None], {"type": "number", "nullable": True, "minimum": 0.4, "maximum": 1.6}),
        ([float("nan"), 2.0], {"type": "number", "nullable": True, "minimum": 1.8, "maximum": 2.2}),
        ([float("inf"), 2.0], {"type": "number"}),
        ([True, False], {"type": "boolean"}),
        (["a", "b"] * 5, {"type": "string", "values": ["a", "b"]}),
        (["a", "b"], {"type": "string"}),
        ([f"AB-{n}x" for n in range(95, 120)], {"type": "string", "pattern": "[A-Z]{2}-[0-9]{2,3}[a-z]{1}"}),
        ([chr(97 + n) * n for n in range(1, 26)], {"type": "string"}),
        ([f"{n} (%)" for n in range(10, 40)], {"type": "string", "pattern": r"[0-9]{2} \(%\)"}),
        (["", "\0"] * 5, {"type": "string"}),
        ([None, None], {"nullable": True}),
        ([date(2020, 1, 1)], {}),
        ([[1, 2]], {}),
    ],
)
def test_columns_are_learned(values: list[Any], rules: dict[str, Any]) -> None:
    assert learned(polars.DataFrame({"c": values}), frozenset())["c"] == rules


CELL = st.none() | st.integers(-(2**62), 2**62) | st.floats() | st.booleans() | st.text(max_size=30)


@given(
    columns=st.lists(CELL, min_size=1, max_size=3).flatmap(
        lambda kinds: st.lists(
            st.tuples(*(st.just(kind) if kind is None else st.from_type(type(kind)) for kind in kinds)), min_size=1
        )
    )
)
@example(columns=[("",)] * 20 + [("\0",)])
@example(columns=[("",)] * 20 + [("\x85",)] * 2)
@example(columns=[("\u2028 a\r\n",)] * 5)
def test_no_row_breaks_what_was_learned_from_it(columns: list[tuple[Any, ...]]) -> None:
    data = {f"c{at}": values for at, values in enumerate(zip(*columns, strict=True))}
    try:
        rows = polars.DataFrame(data, strict=False)
    except (polars.exceptions.PolarsError, OverflowError):
        return
    text = yaml_of(learned(rows, frozenset()), {"name": "any"}, "rows")
    contract = parse(Contract, yaml.safe_load(text), "learned")
    assert broken_rules(contract, rows) == []


def test_broken_rules_are_told_with_their_rows_and_modes() -> None:
    contract = Contract.model_validate(
        {"columns": {"a": {"type": "number", "maximum": 1}, "z": {}}, "rules": [{"name": "r", "check": "a > 0"}]}
        | {"mode": "warn"}
    )
    assert broken_rules(contract, polars.DataFrame({"a": [0, 1, 2]})) == [
        {"row": None, "column": "z", "rule": "z.missing", "mode": "warn", "expected": "a column", "got": "nothing"},
        {"row": 0, "column": None, "rule": "r", "mode": "warn", "expected": "a > 0", "got": ""},
        {
            "row": 2,
            "column": "a",
            "rule": "a.range",
            "mode": "warn",
            "expected": "a number of at most 1",
            "got": "the number 2",
        },
    ]


def test_rows_are_read_from_files_of_three_kinds(tmp_path: Path) -> None:
    frame = polars.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.write_parquet(tmp_path / "rows.parquet")
    frame.write_csv(tmp_path / "rows.csv")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in frame.to_dicts()))
    for name in ("rows.parquet", "rows.csv", "rows.jsonl"):
        assert read_rows(tmp_path / name).equals(frame)
    (tmp_path / "broken.parquet").write_text("a,b\n")
    for name, said in (("rows.xlsx", "end in .parquet"), ("none.csv", "no file"), ("broken.parquet", "cannot be read")):
        with pytest.raises(PenstockError, match=said):
            read_rows(tmp_path / name)

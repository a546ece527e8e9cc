"""Rows are compared with a model's signature a column at a time, and each that breaks it is told why."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from penstock_worker.batch.arrow_columns import ArrowColumns
from penstock_worker.batch.fitting import Fitted, MisfitError, fit
from penstock_worker.signature import Field, Signature


def instant(text: str) -> Any:
    return datetime.fromisoformat(text)


def fitted(values: Any, kind: str, *, required: bool = True) -> Fitted:
    signature = Signature((Field("x", kind, required),))
    table = pa.table({"x": values, "other": pa.nulls(len(values))})
    return fit(table, signature, ArrowColumns(pa, pc, instant), pc)


TIME = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        pytest.param(pa.array([1.5, None]), "double", [1.5, None], id="numbers as they are, null among them"),
        pytest.param(pa.array([1, 2], pa.int64()), "double", [1.0, 2.0], id="whole numbers as fractions"),
        pytest.param(pa.array([0.5], pa.float64()), "float", [0.5], id="wide floats as narrow ones"),
        pytest.param(pa.array([1, 2], pa.int8()), "long", [1, 2], id="narrow whole numbers as wide ones"),
        pytest.param(pa.array([3, 4], pa.int64()), "integer", [3, 4], id="wide whole numbers that are small"),
        pytest.param(pa.array([3.0, -4.0]), "long", [3, -4], id="whole numbers held as floats"),
        pytest.param(pa.array(["1", "2"]), "long", [1, 2], id="whole numbers as text"),
        pytest.param(pa.array(["1e3", None]), "double", [1000.0, None], id="numbers as text, and null"),
        pytest.param(pa.array(["a", None]).dictionary_encode(), "string", ["a", None], id="texts by dictionary"),
        pytest.param(pa.array(["true", "False"]), "boolean", [True, False], id="truth as text"),
        pytest.param(pa.array(["aGk="]), "binary", [b"hi"], id="bytes as base64"),
        pytest.param(
            pa.array([TIME], pa.timestamp("us", "Europe/Rome")),
            "datetime",
            [TIME.replace(tzinfo=None)],
            id="times with a zone in UTC",
        ),
        pytest.param(pa.nulls(2), "string", [None, None], id="nothing but nulls"),
    ],
)
def test_columns_become_the_type_of_the_signature(values: Any, kind: str, expected: list[Any]) -> None:
    found = fitted(values, kind)
    assert (list(found.columns), found.wrong, found.reasons) == (["x"], None, {})
    assert [getattr(v, "to_pydatetime", lambda v=v: v)() for v in found.columns["x"].to_pylist()] == expected


@pytest.mark.parametrize(
    ("values", "kind", "kept", "reasons"),
    [
        pytest.param(pa.array([1, None, 3]), "long", [1, 3], {1: "null"}, id="null where whole numbers are"),
        pytest.param(pa.array([1, 2**31]), "integer", [1], {1: "the number 2147483648"}, id="too large"),
        pytest.param(
            pa.array([5, 2**64 - 1], pa.uint64()),
            "long",
            [5],
            {1: f"the number {2**64 - 1}"},
            id="too large for 64 bits",
        ),
        pytest.param(
            pa.array([1.0, 1.5, float("nan"), 2.0**63]),
            "long",
            [1],
            {1: "the number 1.5", 2: "the number nan", 3: f"the number {2.0**63}"},
            id="fractions, and what is no number",
        ),
        pytest.param(
            pa.array(["7", "x", "7"]), "double", [7.0, 7.0], {1: "the string 'x'"}, id="text that is no number"
        ),
        pytest.param(pa.array([True, None]), "boolean", [True], {1: "null"}, id="null where truth is required"),
    ],
)
def test_rows_that_do_not_fit_are_left_out_and_told_why(
    values: Any, kind: str, kept: list[Any], reasons: dict[int, str]
) -> None:
    found = fitted(values, kind)
    assert found.columns["x"].to_pylist() == kept
    assert {row: reason.partition(", got ")[2] for row, reason in found.reasons.items()} == reasons
    assert all(reason.startswith("column 'x': expected ") for reason in found.reasons.values())
    assert pc.indices_nonzero(found.wrong).to_pylist() == sorted(reasons)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        pytest.param(pa.array([True]), "double", id="truth is no number"),
        pytest.param(pa.array([1]), "string", id="a number is no text"),
        pytest.param(pa.array([1]), "datetime", id="a number does not say since when it counts"),
        pytest.param(pa.array([[1.0]]), "double", id="a list is no number"),
    ],
)
def test_a_column_of_another_sort_is_told_once_for_all_rows(values: Any, kind: str) -> None:
    with pytest.raises(MisfitError, match=r"column 'x' is of type .*; the model expects "):
        fitted(values, kind)


def test_missing_columns_are_named_and_optional_ones_may_be_missing() -> None:
    signature = Signature((Field("a", "long"), Field("b", "long", required=False), Field("c", "long")))
    with pytest.raises(MisfitError, match="columns 'a', 'c' missing"):
        fit(pa.table({"d": [1]}), signature, ArrowColumns(pa, pc, instant), pc)
    found = fit(pa.table({"c": [1], "a": [2]}), signature, ArrowColumns(pa, pc, instant), pc)
    assert list(found.columns) == ["a", "c"]

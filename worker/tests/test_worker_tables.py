"""JSON in all its shapes becomes the columns that a signature names, or a message that names what is wrong."""

import contextlib
import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_worker.columns import converted
from penstock_worker.faults import Faults, FaultyInputError
from penstock_worker.guarding import Guarding, Policy
from penstock_worker.input_schema import input_schema_of, single_input_schema_of
from penstock_worker.inputs import Inputs
from penstock_worker.messages import BadInputError
from penstock_worker.nested import with_fractions
from penstock_worker.outputs import encode
from penstock_worker.payload import KEYS, Payload, parse
from penstock_worker.signature import Field, Signature, signature_of
from penstock_worker.table import arrange, table_of
from penstock_worker.typed_rows import TypedRows

AB = Signature((Field("a", "double"), Field("b", "string", required=False)))
UNNAMED = Signature((Field(None, "double"), Field(None, "double")))


def columns(data: Any, signature: Signature = AB, key: str = "input_data") -> list[Any]:
    faults = Faults()
    found = arrange(table_of(Payload(key, data, None), signature, faults), signature.fields, key, faults)
    faults.check()
    return found


def message(error: pytest.ExceptionInfo[BadInputError]) -> str:
    return error.value.body["error"]["message"]


def value_of(kind: str, value: Any, parse_time: Any = str) -> Any:
    faults = Faults()
    found = converted(Field("c", kind), "c", [value], parse_time, faults)
    faults.check()
    return found[0]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}, id="split"),
        pytest.param({"columns": ["b", "a"], "index": [5, 6], "data": [["x", 1], ["y", 2]]}, id="split in other order"),
        pytest.param({"columns": ["c", "a", "b"], "data": [[0, 1, "x"], [0, 2, "y"]]}, id="one column too many"),
        pytest.param({"data": [[1, "x"], [2, "y"]]}, id="split without names"),
        pytest.param([{"a": 1, "b": "x"}, {"b": "y", "a": 2, "c": 3}], id="records"),
        pytest.param([[1, "x"], [2, "y"]], id="rows"),
        pytest.param({"a": [1, 2], "b": ["x", "y"]}, id="columns"),
    ],
)
def test_every_shape_gives_the_same_columns(data: Any) -> None:
    assert columns(data) == [[1, 2], ["x", "y"]]


def test_absent_optional_columns_are_none_and_absent_optional_values_null() -> None:
    assert columns({"a": [1]}) == [[1], None]
    assert columns([{"a": 1}, {"a": 2, "b": "x"}]) == [[1, 2], [None, "x"]]
    assert columns({"a": 1, "b": "x"}) == [[1], ["x"]]


def test_single_values_are_rows_of_one_column() -> None:
    assert columns([1, 2], Signature((Field("a", "double"),))) == [[1, 2]]
    assert columns("x", Signature((Field(None, "string"),))) == [["x"]]


@pytest.mark.parametrize(
    ("data", "signature", "said"),
    [
        ({"b": ["x"]}, AB, "input_data lacks column 'a'; the model expects a, b"),
        ([{"a": 1}, {"b": "x"}], AB, "row 1 lacks column 'a'"),
        ([[1, "x"], [2]], AB, "row 1 has 1 values; 2 are expected"),
        ([[1, "x"], 2], AB, "row 1 must be a list of values; it is the number 2"),
        ([[1, 2, 3]], AB, "has 3 columns; the model expects 2 columns (a, b)"),
        ([[1]], UNNAMED, "has 1 columns; the model expects 2 columns"),
        ({"a": [1], "b": ["x", "y"]}, AB, "different numbers of values ('a': 1, 'b': 2)"),
        ({"a": [1], "b": "x"}, AB, "column 'b' must be a list as the others; it is the string 'x'"),
        ({"columns": "ab", "data": [[1, 2]]}, AB, "input_data.columns must be a list of names"),
        ({"columns": ["a", "a"], "data": [[1, 2]]}, AB, "has a name twice: a, a"),
        ({"columns": ["a", "b"], "data": [[1]]}, AB, "row 0 has 1 values; 2 are expected"),
        ({"columns": ["a"], "index": [1, 2], "data": [[1]]}, AB, "input_data.index must be a list with one entry"),
        ({"columns": ["a"], "data": []}, AB, "has no rows"),
        ([], AB, "has no rows"),
        ({}, AB, "has no rows"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_by_name(data: Any, signature: Signature, said: str) -> None:
    with pytest.raises(BadInputError) as error:
        columns(data, signature)
    assert said in message(error)


def faults_of(data: Any, signature: Signature, policy: Policy | None = None) -> list[dict[str, Any]]:
    inputs = Inputs(signature, None, None, as_it_comes=False)
    inputs.guarding = Guarding(policy or Policy())
    with pytest.raises(FaultyInputError) as error:
        inputs.of(Payload("input_data", data, None))
    return error.value.body["error"]["details"]


ABC = Signature((Field("a", "long"), Field("b", "string"), Field("c", "boolean")))


def test_all_faults_of_a_table_are_told_at_once() -> None:
    table = {"columns": ["a", "B", "c"], "data": [["x", "y", 1], [1], None, [2**70, "y", True]]}
    assert faults_of(table, ABC) == [
        {"row": 1, "expected": "3 values", "got": "1 values"},
        {"row": 2, "expected": "a list of 3 values", "got": "null"},
        {"column": "b", "expected": "a column of string", "got": "nothing"},
        {"column": "B", "expected": "no such column; did you mean 'b'?"},
        {"row": 0, "column": "a", "expected": "a whole number (long)", "got": "the string 'x'"},
        {"row": 3, "column": "a", "expected": "a whole number (long)", "got": "the number 1180591620717411303424"},
        {"row": 0, "column": "c", "expected": "true or false (boolean)", "got": "the number 1"},
    ]
    records = [{"a": 1, "b": "x", "c": None}, {"a": 1.5}]
    assert [(fault["row"], fault["column"]) for fault in faults_of(records, ABC)] == [
        (1, "b"),
        (1, "c"),
        (1, "a"),
        (0, "c"),
    ]
    silent = faults_of(records, ABC, Policy(verbosity="fields"))
    assert silent[2] == {"row": 1, "column": "a", "expected": "a whole number (long)"}


def test_unknown_columns_are_refused_where_that_is_asked_for() -> None:
    row = {"a": 1, "b": "x", "c": True, "d": 1}
    Inputs(ABC, None, None, as_it_comes=False).of(Payload("input_data", [row], None))
    assert faults_of([row], ABC, Policy(refuse_unknown=True)) == [{"column": "d", "expected": "no such column"}]


MIXED = Signature(
    (
        Field("d", "double"),
        Field("f", "float"),
        Field("l", "long"),
        Field("i", "integer"),
        Field("b", "boolean", required=False),
        Field("s", "string"),
    )
)
CELLS = {
    "d": st.floats() | st.integers() | st.none(),
    "f": st.floats(width=32) | st.integers(-9, 9),
    "l": st.integers(),
    "i": st.integers(-(2**31) - 1, 2**31),
    "b": st.booleans() | st.none(),
    "s": st.text(max_size=2) | st.none(),
}


@given(rows=st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=3))
def test_rows_read_at_once_are_what_the_general_reading_makes_of_them(rows: list[dict[str, Any]]) -> None:
    typed = TypedRows.of(MIXED)
    assert typed is not None
    turned = {"columns": [*CELLS][::-1], "data": [[row[name] for name in [*CELLS][::-1]] for row in rows]}
    listed = [[row[name] for name in CELLS] for row in rows]
    at_once = [typed.read(Payload("input_data", data, None)) for data in (rows, listed, turned)]
    faults = Faults()
    columns = {
        field.name: converted(field, field.name, [row[field.name] for row in rows], str, faults)
        for field in MIXED.fields
    }
    for found in at_once:
        assert repr(found) == repr(None if faults.count else columns)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab") | st.text(max_size=2), inner),
    max_leaves=10,
)
SPLIT = st.fixed_dictionaries({"columns": JSON, "data": JSON}, optional={"index": JSON})


@given(data=JSON | SPLIT, key=st.sampled_from(KEYS), signature=st.sampled_from([AB, UNNAMED]))
def test_any_json_is_converted_or_refused(data: Any, key: str, signature: Signature) -> None:
    with contextlib.suppress(BadInputError):
        found = columns(parse(json.dumps({key: data}).encode()).data, signature, key)
        for field, values in zip(signature.fields, found, strict=True):
            if values is not None:
                converted(field, field.name, values, str, Faults())


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        ("double", 1, 1.0),
        ("double", "1.5", 1.5),
        ("float", 2, 2.0),
        ("long", 2.0, 2),
        ("long", 2**53 + 1, 2**53 + 1),
        ("long", "7", 7),
        ("integer", -(2**31), -(2**31)),
        ("boolean", True, True),
        ("string", "x", "x"),
        ("string", None, None),
        ("binary", "aGk=", b"hi"),
        ("datetime", "t", "parsed t"),
    ],
)
def test_values_convert(kind: str, value: Any, result: Any) -> None:
    found = value_of(kind, value, lambda text: f"parsed {text}")
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("double", True, "a number (double), got true"),
        ("double", "x", "a number (double), got the string 'x'"),
        ("double", 10**400, "a number (double), got the number 1000"),
        ("double", {}, "a number (double), got an object"),
        ("long", 1.5, "a whole number (long), got the number 1.5"),
        ("long", float("inf"), "a whole number (long), got the number inf"),
        ("long", None, "a whole number (long), got null"),
        ("integer", 2**31, "of at most 32 bits, got the number 2147483648"),
        ("boolean", 0, "true or false (boolean), got the number 0"),
        ("string", 1, "a string, got the number 1"),
        ("binary", "*", "a string of base64 (binary), got the string '*'"),
        ("datetime", 5, "a date and time in ISO 8601 (datetime), got the number 5"),
    ],
)
def test_values_that_do_not_convert_name_column_row_and_type(kind: str, value: Any, said: str) -> None:
    with pytest.raises(BadInputError) as error:
        value_of(kind, value)
    assert message(error).startswith("column 'c', row 0: expected ")
    assert said in message(error)


def kind_named(word: str, **members: Any) -> Any:
    return type(word, (), members)()


def test_whole_numbers_within_lists_and_objects_get_fractions_where_wanted() -> None:
    double, long = kind_named("DataType", name="double"), kind_named("DataType", name="long")
    properties = [SimpleNamespace(name="x", dtype=kind_named("Array", dtype=double))]
    properties += [SimpleNamespace(name="n", dtype=long), SimpleNamespace(name="b", dtype=double)]
    found = with_fractions(
        {"x": [1, 2.5, None], "n": 1, "b": True, "other": 1}, kind_named("Object", properties=properties)
    )
    assert json.dumps(found) == '{"x": [1.0, 2.5, null], "n": 1, "b": true, "other": 1}'


class Array:
    """As much of an array as JSON needs."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def tolist(self) -> list[Any]:
        return self.items


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ([1.5, float("nan"), float("-inf")], "[1.5, null, null]"),
        ({"a": Array([1]), 2: Decimal("1.5")}, '{"a": [1], "2": 1.5}'),
        ({("a", "b"): float("nan")}, "{\"('a', 'b')\": null}"),
        (Array([[1, float("nan")]]), "[[1, null]]"),
        (b"hi", '"aGk="'),
        ({1}, "[1]"),
        (None, "null"),
    ],
)
def test_results_become_json_that_every_reader_knows(result: Any, text: str) -> None:
    assert json.loads(encode(result, wrapped=False)) == json.loads(text)
    assert json.loads(encode(result, wrapped=True)) == {"predictions": json.loads(text)}


def test_a_result_without_json_form_is_named() -> None:
    with pytest.raises(TypeError, match="the model returned a object"):
        encode(object(), wrapped=False)


def test_the_document_shows_columns_and_tensors() -> None:
    spec = SimpleNamespace(name="a", type="float32", shape=(-1, 2), required=True)
    tensors = signature_of(SimpleNamespace(inputs=[spec], is_tensor_spec=lambda: True))
    assert tensors is not None
    data = input_schema_of(tensors)["properties"]["input_data"]["properties"]["a"]
    assert data == {"type": "array", "items": {"type": "array", "items": {}, "minItems": 2, "maxItems": 2}}
    records = input_schema_of(AB)["properties"]["input_data"]["oneOf"][1]["items"]
    assert records["required"] == ["a"]
    assert records["properties"]["b"] == {"type": "string"}
    assert single_input_schema_of(AB)["properties"]["input_data"]["required"] == ["columns", "data"]


def test_no_schema_is_no_signature() -> None:
    assert signature_of(None) is None
    assert signature_of(SimpleNamespace(inputs=[])) is None

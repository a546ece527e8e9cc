"""YAML files are bounded data: whatever is in them, they are read or refused with a place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.yaml_text import MAX_BYTES, read_documents, scalar
from penstock.domain.errors import Code, PenstockError

_PIECES = st.sampled_from(
    [
        "a",
        "b",
        ": ",
        "- ",
        "\n",
        "  ",
        "&x ",
        "*x",
        "<<",
        "[",
        "]",
        "{",
        "}",
        "!!set ",
        "!!int ",
        "0x_",
        "1:2",
        "'",
        "?",
    ]
)


@given(st.one_of(st.binary(max_size=200), st.lists(_PIECES, max_size=40).map(lambda p: "".join(p).encode())))
def test_any_bytes_are_read_as_json_data_or_refused(content: bytes) -> None:
    refusal: PenstockError | None = None
    try:
        json.dumps(read_documents(content, "f.yml"), allow_nan=False)
    except PenstockError as err:
        refusal = err
    assert refusal is None or (refusal.code is Code.INVALID and refusal.message.startswith("f.yml"))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        pytest.param(b"a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' stands twice", id="a key that stands twice"),
        pytest.param(b"{1: x}", "not text (put it in quotes)", id="a number as a key"),
        pytest.param(b"x: !!python/name:os.system", "line 1", id="a Python object"),
        pytest.param(b"x: !!binary aGk=", "is not for these files", id="binary data"),
        pytest.param(b"x: [.inf]", "line 1, column 5: .inf is not a number", id="infinity"),
        pytest.param(b"[" * 5000, "levels", id="deep nesting"),
        pytest.param(b"a: &a [*a]", "levels", id="a value inside itself"),
        pytest.param(b"a: [", "line 1", id="broken YAML"),
        pytest.param(b"x" * (MAX_BYTES + 1), str(MAX_BYTES), id="a huge file"),
        pytest.param(b"\xff", "not UTF-8", id="bytes that are no text"),
    ],
)
def test_a_refusal_says_where_and_why(content: bytes, part: str) -> None:
    with pytest.raises(PenstockError) as refused:
        read_documents(content, "f.yml")
    assert part in refused.value.message


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(PenstockError, match="more than 100000 values"):
        read_documents("\n".join(lines).encode(), "bomb.yml")


def test_merged_mappings_may_be_overridden_and_dates_stay_text() -> None:
    content = b"base: &b {k: 1, at: 2024-01-01}\nnext:\n  <<: *b\n  k: 2\n"
    assert read_documents(content, "f.yml") == [
        {"base": {"k": 1, "at": "2024-01-01"}, "next": {"k": 2, "at": "2024-01-01"}}
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-1", -1),
        ("true", True),
        ("1.5", 1.5),
        ("", None),
        ("0x_", "0x_"),
        (".inf", ".inf"),
        ("a: b", "a: b"),
        ("#1", "#1"),
    ],
)
def test_scalars_are_read_as_plain_yaml_values(text: str, value: object) -> None:
    assert scalar(text) == value


@given(st.text(max_size=30))
def test_every_text_is_a_scalar(text: str) -> None:
    assert scalar(text) is None or isinstance(scalar(text), (str, int, float))

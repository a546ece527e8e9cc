"""Which exchanges become golden requests."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.online import NOW

from penstock.domain.golden import GoldenRequest
from penstock.online.golden_selection import select
from penstock.telemetry.tape import Exchange


def an_exchange(request: Any, answer: Any = 1, status: int = 200, content_type: str = "application/json") -> Exchange:
    sent = request if isinstance(request, bytes) else json.dumps(request).encode()
    return Exchange(
        instance="i",
        request_id="r",
        at=NOW,
        seconds=0.01,
        status=status,
        content_type=content_type,
        request=sent,
        answer=json.dumps(answer).encode(),
    )


def kept(exchanges: list[Exchange], count: int = 100, redact: tuple[str, ...] = ()) -> list[GoldenRequest]:
    return list(select(exchanges, count, redact)[1])


def test_equal_requests_are_one_and_failures_none() -> None:
    exchanges = [an_exchange({"x": 1}), an_exchange({"x": 1}, 2), an_exchange({"x": 2}, status=500)]
    (only,) = kept(exchanges)
    assert (only.request, only.expect.answer, only.expect.status) == ({"x": 1}, 1, 200)


def test_rare_kinds_come_before_more_of_the_same() -> None:
    usual = [an_exchange({"x": n}, "low") for n in range(50)]
    rare = [an_exchange({"x": 99}, "high"), an_exchange({"y": [1]}, "low"), an_exchange({"x": "?"}, "bad", 400)]
    chosen = kept([*usual, *rare], count=4)
    assert [(golden.request, golden.expect.status) for golden in chosen[:3]] == [
        ({"x": 99}, 200),
        ({"y": [1]}, 200),
        ({"x": "?"}, 400),
    ]
    assert len(chosen) == 4


def test_redacted_fields_are_gone_from_requests_and_answers() -> None:
    secret = {"email": "a@b.c", "age": 40, "flag": True, "all": ["x", {"y": 1}]}
    (golden,) = kept([an_exchange({"rows": [{"who": secret, "x": 1}]}, {"who": "a@b.c"})], redact=("who",))
    assert golden.request == {"rows": [{"who": {}, "x": 1}]}
    assert golden.expect.answer == {"who": "redacted"}
    (golden,) = kept([an_exchange(secret)], redact=("email", "age", "flag", "all"))
    assert golden.request == {"email": "redacted", "age": 0, "flag": True, "all": ["redacted", {}]}


def test_text_is_kept_as_text_and_bytes_are_not() -> None:
    exchanges = [an_exchange(b"sleep 1", content_type="text/plain"), an_exchange(b"\xff\x00"), an_exchange(b"null")]
    assert [(golden.body, golden.content_type) for golden in kept(exchanges)] == [
        ("sleep 1", "text/plain"),
        ("null", "application/json"),
    ]


def test_an_answer_of_null_is_expected_by_its_shape() -> None:
    (golden,) = kept([an_exchange({"x": 1}, None)])
    assert golden.expect.shape is not None
    assert golden.expect.shape.types == ("null",)


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20), st.integers(200, 599)), max_size=30))
def test_whatever_is_on_tape_the_choice_is_bounded_distinct_and_can_be_written(tape: list[Any]) -> None:
    exchanges = [
        Exchange(
            instance="i",
            request_id="r",
            at=NOW,
            seconds=0.0,
            status=status,
            content_type="text/plain",
            request=request,
            answer=answer,
        )
        for request, answer, status in tape
    ]
    distinct, chosen = select(exchanges, 5)
    assert len(chosen) == min(5, distinct)
    lines = [golden.model_dump_json(exclude={"name"}) for golden in chosen]
    assert len({json.dumps([g.request, g.body]) for g in chosen}) == len(lines)
    assert [GoldenRequest.model_validate_json(line) for line in lines] == [
        golden.model_copy(update={"name": None}) for golden in chosen
    ]

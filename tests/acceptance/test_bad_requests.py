"""Whatever callers send gets a clear answer with the right status, and nothing else is disturbed."""

import re
import socket
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest
from support.bystander import Bystander
from support.callers import Caller, a_caller, dawdle
from support.running import Platform, wait_until

pytestmark = pytest.mark.usefixtures("steady", "dawdlers")

MEBIBYTE = 1024 * 1024
MAX_BODY = 10 * MEBIBYTE


@pytest.fixture(scope="module")
def platform(harassed: Platform) -> Platform:
    return harassed


NOT_ADMITTED: dict[str, tuple[str, str, dict[str, str], int, str]] = {
    "without a key": ("POST", "/endpoints/rough/score", {"Authorization": ""}, 401, "get-credentials --name rough"),
    "with a wrong key": ("POST", "/endpoints/rough/score", {"Authorization": "Bearer x"}, 401, "Bearer KEY"),
    "to an unknown endpoint": ("POST", "/endpoints/ruogh/score", {}, 404, "no endpoint has this address"),
    "to an unknown path": ("POST", "/endpoints/rough/other", {}, 404, "/score"),
    "to an unknown deployment": (
        "POST",
        "/endpoints/rough/score",
        {"azureml-model-deployment": "bleu"},
        404,
        "names no deployment of endpoint 'rough'",
    ),
    "by an unknown method": ("DELETE", "/endpoints/rough/score", {}, 405, "GET, POST"),
}


@pytest.mark.parametrize("what", NOT_ADMITTED)
def test_a_request_is_not_admitted(rough: Caller, what: str) -> None:
    method, path, headers, status, words = NOT_ADMITTED[what]
    sent = {**rough.headers(), **headers}
    answer = httpx.request(method, f"http://127.0.0.1:{rough.port}{path}", content=b"{}", headers=sent, timeout=60)
    assert answer.status_code == status
    assert words in error_of(answer)


def test_an_endpoint_without_traffic_says_so(platform: Platform) -> None:
    with a_caller(platform, "doomed") as caller:
        answer = caller.score()
    assert answer.status_code == 404
    assert "no deployment of endpoint 'doomed' has traffic" in error_of(answer)


def test_bodies_are_taken_up_to_ten_mebibytes(rough: Caller) -> None:
    answer = rough.score(b" " * MAX_BODY)
    assert answer.status_code == 200, answer.text
    assert answer.json()["length"] == MAX_BODY
    larger = rough.score(b" " * (MAX_BODY + 1))
    assert larger.status_code == 413
    assert str(MAX_BODY) in error_of(larger)
    assert in_chunks(rough, MAX_BODY + MEBIBYTE) == 413
    assert in_chunks(rough, MEBIBYTE) == 200


def test_a_run_that_raises_is_a_424_and_its_traceback_is_in_the_log_alone(platform: Platform, rough: Caller) -> None:
    answer = rough.score("raise")
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == "500"
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert "author" not in answer.text
    assert "Traceback" not in answer.text
    logs = platform.run("online-deployment", "get-logs", "-n", "blue", "-e", "rough").stdout
    assert re.search(r'score\.py", line \d+, in run\n.*\nValueError: the author\'s own words', logs)


def test_a_request_that_eats_the_memory_fails_alone(rough: Caller) -> None:
    before = rough.score().json()["pid"]
    with ThreadPoolExecutor(8) as pool:
        hungry = [pool.submit(rough.score, "eat 400000000") for _ in range(4)]
        modest = [pool.submit(rough.score, "eat 1000") for _ in range(20)]
        assert {f.result().status_code for f in hungry} == {424}
        assert {f.result().status_code for f in modest} == {200}
    assert rough.score().json()["pid"] == before


def test_a_run_that_ends_its_process_is_answered_all_the_same(rough: Caller) -> None:
    assert narrow(rough, "").status_code == 200
    try:
        answer = narrow(rough, "end")
        assert answer.status_code == 424
        assert answer.json()["error"]["code"] == "InstanceDied"
        assert "rough/narrow" in error_of(answer)
    finally:
        wait_until(lambda: rough.served(azureml_model_deployment="narrow"))


def test_more_requests_than_there_is_room_for_are_told_to_come_again(rough: Caller) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: rough.score("sleep 0.2"), range(8)))  # connections for all of them
        answers = list(pool.map(lambda _: narrow(rough, "sleep 1"), range(8)))
    served = [a for a in answers if a.status_code == 200]
    refused = [a for a in answers if a.status_code == 429]
    assert (len(served), len(refused)) == (2, 6)  # one at work, one waiting: Azure's 2 x max_concurrent x instances
    for answer in refused:
        assert int(answer.headers["retry-after"]) >= 1
        assert "too many requests wait for deployment 'rough/narrow'" in error_of(answer)


def test_a_model_that_takes_too_long_is_a_408(rough: Caller) -> None:
    answer = narrow(rough, "sleep 2.5")
    assert answer.status_code == 408
    assert "deployment 'rough/narrow' did not answer within 1500 ms" in error_of(answer)
    wait_until(lambda: rough.served(azureml_model_deployment="narrow"))


# Callers that send slowly, or break off.


@pytest.mark.parametrize("what", ["headers", "dripping headers", "dripping body"])
def test_a_slow_caller_is_cut_off(dawdlers: Mapping[str, Future[tuple[bytes, float]]], what: str) -> None:
    said, seconds = dawdlers[what].result(timeout=60)
    assert said.startswith(b"HTTP/1.1 408 "), said
    if "body" in what:  # before it has all headers, HAProxy knows no words but its own
        assert b"did not arrive within 10 seconds" in said
    assert seconds > 9


def test_what_is_no_http_is_a_400(rough: Caller) -> None:
    said, _ = dawdle(rough.port, b"GARBAGE\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400 "), said


@pytest.mark.parametrize("length", [100, 5 * MEBIBYTE])
def test_a_caller_that_breaks_off_harms_nobody(rough: Caller, length: int) -> None:
    line = "POST /endpoints/rough/score HTTP/1.1\r\nHost: localhost\r\n"
    head = f"{line}Authorization: Bearer {rough.key}\r\nContent-Length: {length}\r\n\r\n"
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", rough.port)) as connection:
            connection.sendall(head.encode() + b"x" * (length // 2))
    assert rough.score().status_code == 200


def test_after_all_this_nothing_else_was_disturbed(steady: Bystander, platform: Platform) -> None:
    steady.check(platform)


def error_of(answer: httpx.Response) -> str:
    """The sentence of an error that the gateway answers itself."""
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"]
    return error["message"]


def narrow(caller: Caller, body: str) -> httpx.Response:
    return caller.score(body, azureml_model_deployment="narrow")


def in_chunks(caller: Caller, size: int) -> int:
    """The status of a request whose length is not told beforehand."""
    chunks = (b" " * 65536 for _ in range(size // 65536))
    return httpx.post(f"{caller.url}/score", content=chunks, headers=caller.headers(), timeout=30).status_code

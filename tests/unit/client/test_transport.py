"""Calls to the platform: retries, errors, what is sent."""

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from penstock.client.address import Address
from penstock.client.transport import Transport, segment
from penstock.domain.errors import Code, PenstockError

URL = "http://127.0.0.1:8700"


class Platform:
    """A stand-in that gives its answers one after the other, the last one for ever, and a clock that sleeps move."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = answers
        self.requests: list[httpx.Request] = []
        self.told: list[str] = []  # what is being waited for
        self.now = 0.0

    def transport(self) -> Transport:
        return Transport(
            Address(URL, "secret"),
            http=httpx.MockTransport(self.answer),
            on_waiting=self.told.append,
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def an_error(status: int, code: str, message: str = "no", **details: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": message, "details": details}})


@pytest.fixture
def opened() -> Iterator[Callable[[Platform], Transport]]:
    transports: list[Transport] = []

    def open_one(platform: Platform) -> Transport:
        transports.append(platform.transport())
        return transports[-1]

    yield open_one
    for transport in transports:
        transport.close()


Opened = Callable[[Platform], Transport]


def test_the_token_and_the_actor_are_sent(opened: Opened) -> None:
    platform = Platform(httpx.Response(200, json={"a": 1}))
    assert opened(platform).get("/status", {"a": 1, "b": None}) == {"a": 1}
    request = platform.requests[0]
    assert str(request.url) == f"{URL}/api/v1/status?a=1"
    assert request.headers["Authorization"] == "Bearer secret"
    assert "@" in request.headers["X-Penstock-Actor"]


@pytest.mark.parametrize("again", [httpx.ReadError("reset"), httpx.ConnectError("refused"), httpx.Response(503)])
def test_what_may_pass_is_tried_again_with_the_whole_body(opened: Opened, again: httpx.Response | Exception) -> None:
    platform = Platform(again, again, httpx.Response(200, json=[]))
    assert opened(platform).put("/x", b"body", if_match=3) == []
    assert [request.content for request in platform.requests] == [b"body"] * 3
    assert platform.requests[2].headers["If-Match"] == "3"


def test_a_stream_is_sent_anew_on_each_try(opened: Opened) -> None:
    platform = Platform(httpx.ReadError("reset"), httpx.Response(204))
    opened(platform).send("PUT", "/blob", content=lambda: iter([b"a", b"b"]))
    assert [request.content for request in platform.requests] == [b"ab", b"ab"]


def test_an_absent_platform_is_given_up_quickly_and_a_restarting_one_is_not(opened: Opened) -> None:
    platform = Platform(httpx.ConnectError("refused"))
    with pytest.raises(PenstockError, match="start it with `penstock up`") as absent:
        opened(platform).get("/status")
    assert absent.value.code is Code.UNAVAILABLE
    assert platform.now <= 1

    platform = Platform(httpx.Response(200, json={}), httpx.ConnectError("refused"))
    transport = opened(platform)
    transport.get("/status")
    with pytest.raises(PenstockError):
        transport.get("/status")
    assert 15 <= platform.now <= 20


@pytest.mark.parametrize("code", Code)
def test_the_platform_s_errors_come_back_as_they_were(opened: Opened, code: Code) -> None:
    platform = Platform(an_error(422, code.value, "endpoint 'x' is wrong", field="traffic"))
    with pytest.raises(PenstockError) as raised:
        opened(platform).get("/x")
    assert (raised.value.code, raised.value.message) == (code, "endpoint 'x' is wrong")
    assert raised.value.details == {"field": "traffic"}
    assert len(platform.requests) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(404, text="<html>"), Code.NOT_FOUND),
        (httpx.Response(401), Code.DENIED),
        (httpx.Response(409, json=[1]), Code.CONFLICT),
        (httpx.Response(500, json={"error": "text"}), Code.INTERNAL),
        (httpx.Response(502, json={"error": {"code": "strange", "details": [1]}}), Code.UNAVAILABLE),
        (httpx.Response(302, headers={"location": "/login"}), Code.INTERNAL),
        (httpx.Response(200, text="<html>"), Code.UNAVAILABLE),
    ],
)
def test_the_errors_of_others_get_a_sensible_code(opened: Opened, answer: httpx.Response, code: Code) -> None:
    with pytest.raises(PenstockError) as raised:
        opened(Platform(answer)).get("/x")
    assert raised.value.code is code
    assert URL in raised.value.message or "strange" in json.dumps(raised.value.details)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(PenstockError):
        segment(name)
    assert segment("a/../b?c") == "a%2F..%2Fb%3Fc"


def starting(seconds: str = "1") -> httpx.Response:
    return an_error(503, "unavailable", "the registry is starting", retry_after=seconds)


def test_what_starts_is_waited_for_as_long_as_it_is_asked_for(opened: Opened) -> None:
    platform = Platform(*[starting("5")] * 100, httpx.ReadError("reset"), httpx.Response(200, json=[1]))
    assert opened(platform).get("/models") == [1]
    assert 500 <= platform.now <= 501
    assert platform.told == ["the registry is starting"] * 100


def test_what_starts_for_ever_is_given_up_with_its_own_words(opened: Opened) -> None:
    platform = Platform(starting())
    with pytest.raises(PenstockError, match="the registry is starting") as raised:
        opened(platform).get("/models")
    assert raised.value.code is Code.UNAVAILABLE
    assert 590 <= platform.now <= 600


def test_what_will_not_come_soon_is_not_waited_for(opened: Opened) -> None:
    platform = Platform(starting("60"))
    transport = opened(platform)
    with pytest.raises(PenstockError, match="the registry is starting"):
        transport.get("/models")
    assert platform.now <= 1
    assert platform.told == []


class Streams(httpx.BaseTransport):
    """A stand-in with one blob, whose every answer breaks off after `piece` bytes."""

    def __init__(self, blob: bytes, piece: int, *, ranges: bool = True) -> None:
        self.blob, self.piece, self.ranges = blob, piece, ranges
        self.starts: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = request.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        self.starts.append(start)
        rest = self.blob[start : start + self.piece]
        whole = start + len(rest) == len(self.blob)
        return httpx.Response(206 if asked and self.ranges else 200, content=self.chunks(rest, whole=whole))

    @staticmethod
    def chunks(rest: bytes, *, whole: bool) -> Iterator[bytes]:
        if rest:
            yield rest
        if not whole:
            raise httpx.ReadError("reset")


def streamed(platform: Streams) -> bytes:
    transport = Transport(Address(URL, None), http=platform, sleep=lambda _: None)
    try:
        return b"".join(transport.stream("/blob"))
    finally:
        transport.close()


def test_a_download_goes_on_where_it_broke_off() -> None:
    platform = Streams(b"0123456789", piece=4)
    assert streamed(platform) == b"0123456789"
    assert platform.starts == [0, 4, 8]


@pytest.mark.parametrize(
    ("platform", "fault"),
    [
        (Streams(b"0123456789", piece=0), "broke"),
        (Streams(b"0123456789", piece=4, ranges=False), "cannot be read from its middle"),
    ],
)
def test_a_download_that_cannot_go_on_ends(platform: Streams, fault: str) -> None:
    with pytest.raises(PenstockError, match=fault) as raised:
        streamed(platform)
    assert raised.value.code is Code.UNAVAILABLE

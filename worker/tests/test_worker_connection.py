"""HTTP on a connection: the same bytes get the same answers however they are cut, and limits hold."""

import asyncio
import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_worker.connection import Connection
from penstock_worker.messages import Request, Response
from penstock_worker.request_reader import MAX_HEAD_BYTES
from penstock_worker.traffic import Traffic

MAX_BODY = 1000


class Wire(asyncio.Transport):
    """The transport's side of a connection: keeps what is written, and says when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = self.half_closed = self.held = False
        self.unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        self.half_closed = True

    def pause_reading(self) -> None:
        self.held = True

    def resume_reading(self) -> None:
        self.held = False

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Client:
    """Sends bytes to a connection, and lets the loop turn as the real one does between two reads."""

    def __init__(self, *, later: bool = False) -> None:
        self.loop = asyncio.new_event_loop()
        self.later = later
        self.requests: list[Request] = []
        self.wire = Wire()
        self.loop.run_until_complete(self._connect())

    async def _connect(self) -> None:
        self.traffic = Traffic(self.loop, self._take, MAX_BODY)
        self.connection = Connection(self.traffic)
        self.connection.connection_made(self.wire)

    def _take(self, request: Request, deliver: Callable[[Response], None]) -> None:
        self.requests.append(request._replace(arrived=0.0))
        response = Response(200, request.body or request.path.encode(), b"")
        if request.path == "/stream":
            deliver(response._replace(body=b"", stream=iter([b"piece ", b"", b"by piece"])))
        elif self.later:
            self.loop.call_soon(deliver, response)
        else:
            deliver(response)

    def send(self, *pieces: bytes) -> bytes:
        """What is answered to `pieces`, each read on its own."""
        self.loop.run_until_complete(self._send(pieces))
        return self.wire.sent

    async def _send(self, pieces: tuple[bytes, ...]) -> None:
        for piece in pieces:
            if self.wire.closed:
                return
            self.connection.data_received(piece)
            await self._settle()
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    def end_with(self, data: bytes) -> None:
        async def send() -> None:
            self.connection.data_received(data)
            if not self.connection.eof_received():
                self.wire.close()
            await self._settle()

        self.loop.run_until_complete(send())

    def bodies(self) -> list[bytes]:
        return re.findall(rb"\r\n\r\n(.*?)(?=HTTP/1|$)", self.wire.sent, re.DOTALL)


@pytest.fixture(params=["at once", "in a batch"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(later=request.param == "in a batch")
    yield client
    client.loop.close()


POST = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = (
    b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x=y\r\nf\r\n0\r\nT: x\r\n\r\n"
)
GET = b"GET /a%20b?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"
STREAMS = {
    "requests of all kinds": POST + CHUNKED + GET + POST,
    "a last request": GET + b"POST /score HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nz",
    "an old client": b"POST /score HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nz" + GET,
    "nonsense after a request": POST + b"NONSENSE\r\n\r\n",
    "a body that is announced too large": POST + b"POST /score HTTP/1.1\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
    "a body that grows too large": b"POST /score HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11,
    "two lengths": b"POST /score HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"POST /score HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI",
    "a head": b"HEAD / HTTP/1.1\r\n\r\n" + GET,
}


@pytest.mark.parametrize("stream", [pytest.param(stream, id=name) for name, stream in STREAMS.items()])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_answers_do_not_depend_on_how_the_bytes_arrive(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole, cut = Client(), Client()
    assert cut.send(*pieces) == whole.send(stream)
    assert cut.requests == whole.requests
    assert (cut.wire.closed, cut.wire.half_closed) == (whole.wire.closed, whole.wire.half_closed)
    whole.loop.close()
    cut.loop.close()


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    client.send(POST + CHUNKED + GET)
    assert client.bodies() == [b"abc", b"def", b"/a b"]
    assert client.requests[2].query == "q=1"
    assert not client.wire.closed


@given(stream=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise_anything(stream: bytes) -> None:
    client = Client()
    client.send(stream, POST)
    client.loop.close()


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        pytest.param(STREAMS["a body that is announced too large"], b"413", id="announced"),
        pytest.param(STREAMS["a body that grows too large"], b"413", id="chunked"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", b"431", id="large head"),
        pytest.param(STREAMS["nonsense after a request"], b"400", id="nonsense"),
        pytest.param(STREAMS["two lengths"], b"400", id="two lengths"),
        pytest.param(STREAMS["length and chunks"], b"400", id="length and chunks"),
        pytest.param(b"GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", b"400", id="folded header"),
    ],
)
def test_refused_requests_get_a_last_answer_and_the_rest_is_thrown_away(
    client: Client, stream: bytes, status: bytes
) -> None:
    sent = client.send(stream)
    assert sent.rsplit(b"HTTP/1.1 ", 1)[1].startswith(status)
    assert b"connection: close" in sent
    assert client.wire.half_closed
    assert client.send(POST) == sent


def test_an_endless_head_is_refused(client: Client) -> None:
    sent = client.send(b"GET / HTTP/1.1\r\nA: ", *[b"x" * 10_000] * 20)
    assert sent.startswith(b"HTTP/1.1 431 ")


def test_a_client_that_waits_is_told_to_continue(client: Client) -> None:
    head = b"POST /score HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    assert client.send(POST + head).endswith(b"\r\nabcHTTP/1.1 100 Continue\r\n\r\n")
    assert client.send(b"abc").count(b"100 Continue") == 1
    assert [request.body for request in client.requests] == [b"abc", b"abc"]


def test_a_client_that_waits_to_send_too_much_is_not_told_to_continue(client: Client) -> None:
    sent = client.send(b"POST /score HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3000\r\n\r\n")
    assert sent.startswith(b"HTTP/1.1 413 ")


def test_a_head_is_answered_without_its_body(client: Client) -> None:
    assert client.send(b"HEAD / HTTP/1.1\r\n\r\n").endswith(b"content-length: 1\r\n\r\n")


def test_a_client_that_does_not_read_is_not_answered_further(client: Client) -> None:
    client.connection.pause_writing()
    assert client.send(POST) == b""
    assert client.wire.held
    client.connection.resume_writing()
    client.send()
    assert client.bodies() == [b"abc"]
    assert not client.wire.held


def test_requests_before_the_end_are_answered(client: Client) -> None:
    client.end_with(POST + POST)
    assert client.bodies() == [b"abc", b"abc"]
    assert client.wire.closed


def test_when_stopping_what_is_received_is_answered_and_the_connection_closed(client: Client) -> None:
    client.traffic.stopping = True
    sent = client.send(POST + POST)
    assert client.bodies() == [b"abc", b"abc"]
    assert sent.count(b"connection: close") == 1
    assert client.wire.closed


def test_when_stopping_a_request_on_its_way_is_still_answered(client: Client) -> None:
    client.send(POST[:-1])
    client.traffic.stopping = True
    client.connection.finish()
    assert not client.wire.closed
    client.send(POST[-1:])
    assert client.bodies() == [b"abc"]
    assert client.wire.closed


def test_when_stopping_idle_connections_are_closed(client: Client) -> None:
    client.send(POST)
    client.traffic.stopping = True
    client.connection.finish()
    assert client.wire.closed


def sweeps(client: Client, count: int) -> None:
    for _ in range(count):
        client.traffic.sweep()
    client.send()


def test_half_a_request_is_refused_in_time(client: Client) -> None:
    client.send(POST[:-1])
    sweeps(client, 5)
    assert client.wire.sent == b""
    sweeps(client, 1)
    assert client.wire.sent.startswith(b"HTTP/1.1 408 ")
    sweeps(client, 2)
    assert client.wire.closed


def test_a_request_that_goes_on_arriving_is_not_cut_off(client: Client) -> None:
    for byte in POST:
        client.send(bytes([byte]))
        sweeps(client, 4)
    assert client.bodies() == [b"abc"]


def test_idle_connections_end(client: Client) -> None:
    client.send(POST)
    sweeps(client, 14)
    assert not client.wire.closed
    sweeps(client, 1)
    assert client.wire.closed


def test_a_client_that_stops_reading_is_cut_off_unless_it_goes_on(client: Client) -> None:
    client.send(POST)
    for unsent in range(100, 80, -1):
        client.wire.unsent = unsent
        sweeps(client, 1)
    assert not client.wire.closed
    sweeps(client, 6)
    assert client.wire.closed


def test_a_streamed_body_is_sent_in_chunks_and_the_next_request_answered_after_it(client: Client) -> None:
    stream = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = client.send(stream + POST)
    head, _, rest = sent.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert b"content-length" not in head
    assert rest.startswith(b"6\r\npiece \r\n8\r\nby piece\r\n0\r\n\r\nHTTP/1.1 200 OK")
    assert rest.endswith(b"abc")


def test_a_streamed_body_for_an_old_client_ends_with_the_connection(client: Client) -> None:
    sent = client.send(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert sent.endswith(b"connection: close\r\n\r\npiece by piece")
    assert client.wire.closed


def test_a_stream_waits_for_a_client_that_does_not_read(client: Client) -> None:
    client.connection.pause_writing()
    assert client.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    client.connection.resume_writing()
    assert client.send().endswith(b"0\r\n\r\n")

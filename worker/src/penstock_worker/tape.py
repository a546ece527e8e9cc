"""The last requests with their answers, kept in memory while somebody wants them. As long as nobody does, it costs
nothing: requests go past it."""

from __future__ import annotations

import json
import time
from collections import deque
from functools import partial
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Callable, NamedTuple
from urllib.parse import parse_qs

from penstock_worker.messages import Request, Response, json_response, message_response
from penstock_worker.sampling import sampled

if TYPE_CHECKING:
    from penstock_worker.routes import Routes

    Deliver = Callable[[Response], None]

MOST_EXCHANGES = 2000
MOST_BYTES = 8 * 1024 * 1024
LARGEST_BODY = 256 * 1024
MOST_SECONDS = 3600.0
_BESIDES = 1024  # bytes that an exchange takes besides its bodies, at most
_LONGEST_HEADER = 200
_TOLD_BYTES = 512 * 1024  # at a time: while they are told, no request is answered
_ID = b"x-request-id"
_LINES = b"content-type: application/octet-stream\r\n"


class _Exchange(NamedTuple):
    """`at` is when it was answered, in microseconds since 1970; no two have the same."""

    at: int
    seconds: float
    status: int
    identifier: bytes
    content_type: bytes
    request: bytes
    answer: bytes

    @property
    def size(self) -> int:
        return len(self.request) + len(self.answer) + _BESIDES


class Tape:
    """The tape of `routes`, for who knows the `key`. All of it happens on the thread of the loop."""

    def __init__(self, routes: Routes, key: str) -> None:
        self._routes = routes
        self._key = key
        self._score = routes.score
        self._kept: deque[_Exchange] = deque()
        self._bytes = 0
        self._last = 0
        self._until = 0.0  # of the monotonic clock; zero: it does not roll
        self._share = 0.0

    def page(self, request: Request) -> Response:
        """POST `?key=K&seconds=N&share=S` makes it roll, GET `?key=K&since=AT` tells what was answered later.

        What is told, the oldest first, is a line of JSON, and then the bodies one behind the other. `more`: ask again.
        """
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        if not compare_digest(query.get("key", "").encode(), self._key.encode()):
            return message_response(404, "the key of the tape is in the file with the instance's sums")
        try:
            if request.method != "POST":
                return self._told(int(query.get("since", "0")))
            self.roll(float(query.get("seconds", "0")), float(query.get("share", "1")))
        except ValueError:
            return message_response(400, "seconds, share and since are numbers")
        return json_response(200, {"rolling": bool(self._until)})

    def roll(self, seconds: float, share: float) -> None:
        """Keep exchanges for so long from now, of a share of all request ids. What rolls already rolls on if it
        keeps more, or for longer."""
        if not seconds > 0 or not share > 0:
            return
        until = time.monotonic() + min(seconds, MOST_SECONDS)
        self._share = max(self._share, share)
        self._until = max(self._until, until)
        self._routes.score = self._take

    def look(self) -> None:
        """To be called now and then: ends what has had its time, and gives the memory back."""
        if self._until and time.monotonic() >= self._until:
            self._routes.score = self._score
            self._until = self._share = 0.0
            self._kept.clear()
            self._bytes = 0

    def _take(self, request: Request, deliver: Deliver) -> None:
        headers = request.headers
        wanted = (
            request.method == "POST"
            and len(request.body) <= LARGEST_BODY
            and b"content-encoding" not in headers
            and sampled(headers.get(_ID, b""), self._share)
        )
        self._score(request, partial(self._deliver, request, deliver) if wanted else deliver)

    def _deliver(self, request: Request, deliver: Deliver, response: Response) -> None:
        deliver(response)
        if response.stream is None and len(response.body) <= LARGEST_BODY and self._until:
            self._keep(request, response)

    def _keep(self, request: Request, response: Response) -> None:
        self._last = max(self._last + 1, time.time_ns() // 1000)
        identifier, content_type = (request.headers.get(name, b"")[:_LONGEST_HEADER] for name in (_ID, b"content-type"))
        took = time.perf_counter() - request.arrived
        exchange = _Exchange(self._last, took, response.status, identifier, content_type, request.body, response.body)
        self._kept.append(exchange)
        self._bytes += exchange.size
        while len(self._kept) > MOST_EXCHANGES or self._bytes > MOST_BYTES:
            self._bytes -= self._kept.popleft().size

    def _told(self, since: int) -> Response:
        rows: list[dict[str, Any]] = []
        bodies: list[bytes] = []
        size = 0
        more = False
        for exchange in self._kept:
            if exchange.at <= since:
                continue
            if size > _TOLD_BYTES:
                more = True
                break
            rows.append(_row(exchange))
            bodies += (exchange.request, exchange.answer)
            size += exchange.size
        head = json.dumps({"rolling": bool(self._until), "more": more, "exchanges": rows}, separators=(",", ":"))
        return Response(200, b"\n".join((head.encode("ascii"), b"".join(bodies))), _LINES)


def _row(exchange: _Exchange) -> dict[str, Any]:
    return {
        "id": exchange.identifier.decode("latin-1"),
        "at": exchange.at,
        "seconds": exchange.seconds,
        "status": exchange.status,
        "content_type": exchange.content_type.decode("latin-1"),
        "request": len(exchange.request),
        "answer": len(exchange.answer),
    }

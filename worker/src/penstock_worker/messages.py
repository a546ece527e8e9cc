"""Requests and responses as scoring sees them, whatever brought them, and the refusal of a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON_LINE = b"content-type: application/json\r\n"
NOT_FAILED = b"x-ms-run-function-failed: False\r\n"


class Request(NamedTuple):
    """A request that has arrived completely. Header names are in lower case; repeated headers are joined by commas."""

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes
    arrived: float = 0.0  # perf_counter() when its last byte had come


class Response(NamedTuple):
    """An answer. `lines` holds header lines, each ended by CRLF, but for those of length and connection.

    With a `stream`, its pieces are the body, sent as they come, and `body` is empty.
    """

    status: int
    body: bytes
    lines: bytes
    stream: Optional[Iterator[bytes]] = None


class BadInputError(Exception):
    """The request cannot be scored, by the caller's fault. `body` is the JSON to answer with, under `status`."""

    def __init__(self, body: dict[str, Any], status: int = 400) -> None:
        super().__init__(body)
        self.body = body
        self.status = status


def json_response(status: int, value: object, lines: bytes = b"") -> Response:
    """A response whose body is `value` as JSON; raises TypeError or ValueError if it has no JSON form."""
    return Response(status, json.dumps(value).encode("ascii"), JSON_LINE + lines)


def message_response(status: int, message: str, lines: bytes = b"") -> Response:
    """A response that says what is wrong, in Azure's form."""
    return json_response(status, {"message": message}, lines)

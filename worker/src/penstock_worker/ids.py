"""Request ids: which of them an answer carries, by the rules of Azure's inference server."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 100  # characters


class IdTooLongError(Exception):
    """An id that came with the request is longer than `LONGEST`. `lines` holds the others."""

    def __init__(self, names: str, lines: bytes = b"") -> None:
        super().__init__(names)
        self.lines = lines


def new_id() -> bytes:
    """An id for a request that came without one."""
    return str(uuid.uuid4()).encode("ascii")


def id_lines(headers: Mapping[bytes, bytes]) -> bytes:
    """The header lines with the ids of the answer to a request with `headers`; raises `IdTooLongError`.

    1. `x-request-id` is the given one, or a new one.
    2. `x-ms-request-id` and `x-ms-client-request-id` stand in for each other; the latter is never invented.
    3. With neither given, `x-ms-request-id` is the `x-request-id`.
    """
    request_id = headers.get(b"x-request-id") or new_id()
    client_id = headers.get(b"x-ms-client-request-id")
    legacy_id = headers.get(b"x-ms-request-id")
    if len(request_id) > LONGEST:
        raise IdTooLongError("x-request-id")
    if client_id is None and legacy_id is None:
        return b"x-request-id: %b\r\nx-ms-request-id: %b\r\n" % (request_id, request_id)
    return _client_lines(legacy_id, client_id, request_id)


def _client_lines(legacy_id: bytes | None, client_id: bytes | None, request_id: bytes) -> bytes:
    client = client_id or legacy_id or b""
    legacy = legacy_id or client or request_id
    own = b"x-request-id: %b\r\n" % request_id
    if len(client) > LONGEST or len(legacy) > LONGEST:
        raise IdTooLongError("x-ms-request-id and x-ms-client-request-id", own)
    line = b"x-ms-client-request-id: %b\r\n" % client if client else b""
    return b"%bx-ms-request-id: %b\r\n%b" % (own, legacy, line)

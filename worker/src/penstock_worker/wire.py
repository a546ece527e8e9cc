"""HTTP/1.1 on the wire: the bytes of an answer, and the parts of a request's target."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from penstock_worker.contract import SCORE_ROUTE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_worker.messages import Response

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_SCORE_TARGET = SCORE_ROUTE.encode("ascii")
_BODILESS = (204, 304)
LAST_CHUNK = b"0\r\n\r\n"


def encode(response: Response, *, keep: bool, old: bool, head_only: bool) -> bytes:
    """The bytes of `response`. `keep`: the connection stays; `old`: for HTTP/1.0; `head_only`: without the body."""
    status, body, lines, _ = response
    start = _STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status
    if not keep:
        lines += b"connection: close\r\n"
    elif old:
        lines += b"connection: keep-alive\r\n"
    if status in _BODILESS:
        return b"%b%b\r\n" % (start, lines)
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (start, lines, len(body), b"" if head_only else body)


def encode_head(response: Response, *, keep: bool, chunked: bool) -> bytes:
    """The head of a response whose body is streamed: in chunks, or, for HTTP/1.0, until the connection ends."""
    start = _STATUS_LINES.get(response.status) or b"HTTP/1.1 %d Unknown\r\n" % response.status
    framing = b"transfer-encoding: chunked\r\n" if chunked else b""
    return b"%b%b%b%b\r\n" % (start, response.lines, framing, b"" if keep else b"connection: close\r\n")


def close_stream(stream: Iterator[bytes] | None) -> None:
    """Let the generator behind a body that nobody reads any more clean up after itself."""
    close = getattr(stream, "close", None)
    if close is not None:
        with suppress(Exception):  # the user's code
            close()


def chunk(piece: bytes) -> bytes:
    """A piece of a body that is sent in chunks; nothing for an empty one, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def split_target(target: bytes) -> tuple[str, str]:
    """Path, with escapes resolved, and query of a request's target."""
    if target == _SCORE_TARGET:
        return SCORE_ROUTE, ""
    text = target.decode("latin-1")
    if "://" in text.split("?", 1)[0]:
        # The absolute form: what precedes the path is of no interest here.
        text = "/" + text.split("://", 1)[1].partition("/")[2]
    path, _, query = text.partition("?")
    return unquote(path), query

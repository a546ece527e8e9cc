"""HTTP/1.1 on the wire: the bytes of an answer, and the parts of a request's target."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from penstock_worker.contract import SCORE_ROUTE

if TYPE_CHECKING:
    from penstock_worker.messages import Response

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_SCORE_TARGET = SCORE_ROUTE.encode("ascii")
_BODILESS = (204, 304)


def encode(response: Response, *, keep: bool, old: bool, head_only: bool) -> bytes:
    """The bytes of `response`. `keep`: the connection stays; `old`: for HTTP/1.0; `head_only`: without the body."""
    status, body, lines = response
    start = _STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status
    if not keep:
        lines += b"connection: close\r\n"
    elif old:
        lines += b"connection: keep-alive\r\n"
    if status in _BODILESS:
        return b"%b%b\r\n" % (start, lines)
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (start, lines, len(body), b"" if head_only else body)


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

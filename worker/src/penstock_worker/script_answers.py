"""What run() of a script returned, as an answer in Azure's form."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from penstock_worker.aml import AMLResponse
from penstock_worker.kinds import is_object
from penstock_worker.messages import JSON_LINE, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Iterable

FAILED = b"x-ms-run-function-failed: True\r\n"
NOT_FAILED = b"x-ms-run-function-failed: False\r\n"
_HTML_LINE = b"content-type: text/html; charset=utf-8\r\n"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Headers that say how the answer travels, or that are ours to give.
_RESERVED = frozenset(
    ("content-length", "transfer-encoding", "connection", "keep-alive", "trailer", "upgrade", "x-ms-server-version")
) | frozenset(
    ("x-request-id", "x-ms-request-id", "x-ms-client-request-id", "x-ms-run-function-failed", "x-ms-run-fn-exec-ms")
)


def script_answer(result: Any) -> Response:
    """What run() returned, as an answer; raises whatever the result raises while it is turned into bytes."""
    if isinstance(result, AMLResponse):
        return _own_answer(result)
    return json_response(200, {} if result is None else result, NOT_FAILED)


def _own_answer(answer: AMLResponse) -> Response:
    """Bytes of an `AMLResponse`; raises ValueError or TypeError for one that cannot be sent."""
    status = int(answer.status_code)
    if not 200 <= status <= 599:
        raise ValueError(f"AMLResponse: status {status} is not between 200 and 599")
    failed = FAILED if answer.run_function_failed or status >= 500 else NOT_FAILED
    if answer.message is None:
        body, kind = b"{}", JSON_LINE
    elif answer.json_str:
        body, kind = json.dumps(answer.message).encode("ascii"), JSON_LINE
    else:
        body = _raw(answer.message)
        kind = b"" if any(name.lower() == "content-type" for name in answer.response_headers) else _HTML_LINE
    return Response(status, body, kind + _own_lines(answer.response_headers.items()) + failed)


def _raw(message: Any) -> bytes:
    if isinstance(message, str):
        return message.encode("utf-8")
    if isinstance(message, (bytes, bytearray)):
        return bytes(message)
    if is_object(message) or not hasattr(message, "__iter__"):
        raise TypeError(f"AMLResponse: a {message.__class__.__name__} can only be sent with json_str=True")
    return b"".join(_raw(piece) for piece in message)


def _own_lines(headers: Iterable[tuple[str, Any]]) -> bytes:
    lines: list[bytes] = []
    for name, value in headers:
        if not _NAME.fullmatch(name) or _UNSAFE.search(str(value)):
            raise ValueError(f"AMLResponse: header {name!r} cannot be sent")
        if name.lower() not in _RESERVED:
            # As Azure's server does: a comma separates repeated headers.
            lines += [f"{name}: {part.strip()}\r\n".encode("latin-1") for part in str(value).split(",")]
    return b"".join(lines)

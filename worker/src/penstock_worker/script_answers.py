"""What run() of a script returned, as an answer in Azure's form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from penstock_worker.aml_response import AMLResponse
from penstock_worker.kinds import is_object
from penstock_worker.messages import NOT_FAILED, Response, json_response
from penstock_worker.wire import close_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FAILED = b"x-ms-run-function-failed: True\r\n"
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
    if is_flask_response(result):
        return _flask_answer(result)
    return json_response(200, {} if result is None else result, NOT_FAILED)


def is_flask_response(result: Any) -> bool:
    """True for a response of Flask's or Werkzeug's, which this must not import."""
    return hasattr(result, "iter_encoded") and hasattr(result, "status_code") and hasattr(result, "headers")


def _own_answer(answer: AMLResponse) -> Response:
    """Bytes of an `AMLResponse`; raises ValueError or TypeError for one that cannot be sent."""
    status = _sendable(answer.status_code)
    failed = FAILED if answer.run_function_failed or status >= 500 else NOT_FAILED
    lines = _own_lines(answer.headers.items()) + failed
    message = answer.response
    if isinstance(message, (str, bytes, bytearray, list, tuple)):
        return Response(status, _raw(message), lines)
    if is_object(message) or not hasattr(message, "__iter__"):
        raise TypeError(f"AMLResponse: a {message.__class__.__name__} can only be sent with json_str=True")
    return Response(status, b"", lines, _pieces(message))


def _flask_answer(answer: Any) -> Response:
    status = _sendable(answer.status_code)
    lines = _own_lines(answer.headers.items()) + (FAILED if status >= 500 else b"")
    if answer.is_streamed:
        return Response(status, b"", lines, _pieces(answer.iter_encoded()))
    return Response(status, answer.get_data(), lines)


def _sendable(status: int) -> int:
    if not 200 <= status <= 599:
        raise ValueError(f"the response's status {status} is not between 200 and 599")
    return status


def _raw(message: Any) -> bytes:
    if isinstance(message, str):
        return message.encode("utf-8")
    if isinstance(message, (bytes, bytearray)):
        return bytes(message)
    if isinstance(message, (list, tuple)):
        return b"".join(_raw(piece) for piece in message)  # pyright: ignore[reportUnknownVariableType]
    raise TypeError(f"AMLResponse: its pieces must be str or bytes; one is a {message.__class__.__name__}")


def _pieces(message: Iterable[Any]) -> Iterator[bytes]:
    source = iter(message)
    try:
        for piece in source:
            yield _raw(piece)
    finally:
        close_stream(source)


def _own_lines(headers: Iterable[tuple[str, Any]]) -> bytes:
    lines: list[bytes] = []
    for name, value in headers:
        if not _NAME.fullmatch(name) or _UNSAFE.search(str(value)):
            raise ValueError(f"the response's header {name!r} cannot be sent")
        if name.lower() not in _RESERVED:
            lines.append(f"{name}: {value}\r\n".encode("latin-1"))
    return b"".join(lines)

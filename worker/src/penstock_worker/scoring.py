"""Scoring one request: call the script or model, and make an answer of what it returns or raises."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from penstock_worker.aml import AMLResponse
from penstock_worker.kinds import is_object
from penstock_worker.logs import write_error
from penstock_worker.messages import JSON_LINE, BadInputError, Request, Response, json_response, message_response
from penstock_worker.outputs import Output, encode
from penstock_worker.trace import user_traceback

if TYPE_CHECKING:
    from collections.abc import Iterable

_FAILED = b"x-ms-run-function-failed: True\r\n"
_NOT_FAILED = b"x-ms-run-function-failed: False\r\n"
_HTML_LINE = b"content-type: text/html; charset=utf-8\r\n"
_RUN_FAILED = message_response(
    500, "An unexpected error occurred in scoring script. Check the logs for more info.", _FAILED
)
_INTERNAL = message_response(500, "An unexpected internal error occurred. Check the logs for more info.", _NOT_FAILED)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Headers that say how the answer travels, or that are ours to give.
_RESERVED = frozenset(
    ("content-length", "transfer-encoding", "connection", "keep-alive", "trailer", "upgrade", "x-ms-server-version")
) | frozenset(
    ("x-request-id", "x-ms-request-id", "x-ms-client-request-id", "x-ms-run-function-failed", "x-ms-run-fn-exec-ms")
)


class Entry(Protocol):
    """What is served: a script or a model. Raises `BadInputError` if the request is at fault."""

    def __call__(self, request: Request) -> Any: ...


def score(entry: Entry, request: Request) -> Response:
    """The answer of `entry` to `request`. Whatever the user's code does, there is one."""
    started = perf_counter()
    try:
        result = entry(request)
    except BadInputError as error:
        return json_response(400, error.body, _NOT_FAILED)
    except BaseException as error:  # noqa: BLE001 - the user's code: SystemExit in run() must not end the process
        return _logged(error, _RUN_FAILED)
    elapsed_ms = (perf_counter() - started) * 1000
    try:
        response = answer_of(result)
    except Exception as error:  # noqa: BLE001 - a result may raise anything while it is turned into bytes
        return _logged(error, _INTERNAL)
    return Response(response.status, response.body, b"%bx-ms-run-fn-exec-ms: %.3f\r\n" % (response.lines, elapsed_ms))


def answer_of(result: Any) -> Response:
    """What an entry returned, as an answer; raises whatever the result raises while it is turned into bytes."""
    if isinstance(result, AMLResponse):
        return _own_answer(result)
    if isinstance(result, Output):
        return Response(200, encode(result.value, wrapped=result.wrapped), JSON_LINE + _NOT_FAILED)
    return json_response(200, {} if result is None else result, _NOT_FAILED)


def _logged(error: BaseException, response: Response) -> Response:
    # Neither a lack of memory nor one of room for the log may keep the answer from the caller.
    with suppress(MemoryError):
        write_error(user_traceback(error))
    return response


def _own_answer(answer: AMLResponse) -> Response:
    """Bytes of an `AMLResponse`; raises ValueError or TypeError for one that cannot be sent."""
    status = int(answer.status_code)
    if not 200 <= status <= 599:
        raise ValueError(f"AMLResponse: status {status} is not between 200 and 599")
    failed = _FAILED if answer.run_function_failed or status >= 500 else _NOT_FAILED
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

"""The routes of an instance, and the headers that every answer carries. Knows requests and responses, not sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker import contract
from penstock_worker.ids import LONGEST, IdTooLongError, id_lines
from penstock_worker.messages import JSON_LINE, Request, Response, message_response
from penstock_worker.scoring import score

if TYPE_CHECKING:
    from penstock_worker.scoring import Entry

_VERSION_LINE = b"x-ms-server-version: penstock/%b\r\n" % contract.VERSION.encode("ascii")
_NOT_FAILED = b"x-ms-run-function-failed: False\r\n"
_HEALTHY = Response(200, b"Healthy", b"content-type: text/html; charset=utf-8\r\n")
_READY = Response(200, b"Ready", b"content-type: text/plain; charset=utf-8\r\n")
_SCORE_OPTIONS = Response(
    200, b"", b"content-type: text/html; charset=utf-8\r\nallow: GET, POST, OPTIONS\r\n" + _NOT_FAILED
)


class Routes:
    """Answers every request to an instance that serves `entry`."""

    def __init__(self, entry: Entry, swagger: dict[str, Any]) -> None:
        self._entry = entry
        document = Response(200, json.dumps(swagger).encode("ascii"), JSON_LINE)
        self._pages = {
            contract.LIVENESS_ROUTE: _HEALTHY,
            contract.READINESS_ROUTE: _READY,
            contract.SWAGGER_ROUTE: document,
        }
        self._methods: dict[str, Callable[[Request], Response]] = {
            "POST": self._score,
            "GET": self._score,
            "OPTIONS": lambda _request: _SCORE_OPTIONS,
        }

    def answer(self, request: Request) -> Response:
        """The answer to `request`; never raises."""
        if request.path == contract.SCORE_ROUTE:
            method = self._methods.get(request.method)
            return _wrong_method(request, "GET, POST, OPTIONS") if method is None else _marked(method, request)
        page = self._pages.get(request.path)
        if page is None:
            known = f"{contract.SCORE_ROUTE}, {contract.SWAGGER_ROUTE}, {contract.LIVENESS_ROUTE}"
            return message_response(404, f"There is nothing at {request.path}; try {known}", _NOT_FAILED)
        if request.method not in ("GET", "HEAD"):
            return _wrong_method(request, "GET, HEAD")
        return _marked(lambda _request: page, request)

    def _score(self, request: Request) -> Response:
        return score(self._entry, request)


def _wrong_method(request: Request, allowed: str) -> Response:
    lines = b"allow: %b\r\n%b" % (allowed.encode("ascii"), _NOT_FAILED)
    return message_response(405, f"{request.method} is not allowed at {request.path}; use {allowed}", lines)


def _marked(method: Callable[[Request], Response], request: Request) -> Response:
    """The answer of `method` with ids, version and trace id."""
    try:
        lines = id_lines(request.headers) + _VERSION_LINE
        response = method(request)
    except IdTooLongError as error:
        lines = _VERSION_LINE
        response = message_response(431, f"{error} must not exceed {LONGEST} characters", _NOT_FAILED)
    trace_id = request.headers.get(b"traceid")
    if trace_id is not None:
        lines += b"traceid: %b\r\n" % trace_id
    return Response(response.status, response.body, response.lines + lines)

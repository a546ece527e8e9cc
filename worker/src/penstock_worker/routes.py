"""The routes of an instance, and the headers that every answer carries. Knows requests and responses, not sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from penstock_worker import contract
from penstock_worker.ids import LONGEST, IdTooLongError, id_lines
from penstock_worker.messages import Request, Response, json_response, message_response
from penstock_worker.open_inference import PREFIXES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock_worker.capture import Capture
    from penstock_worker.entry import Entry, Reader
    from penstock_worker.open_inference import OpenInference
    from penstock_worker.scoring import Deliver, Scorer

    Page = Callable[[Request], Response]
    Take = Callable[[Request, Deliver], None]

_POSTED = (("POST", contract.TRACE_ROUTE), ("POST", contract.TAPE_ROUTE))
_VERSION_LINE = b"x-ms-server-version: penstock/%b\r\n" % contract.VERSION.encode("ascii")
_NOT_FAILED = b"x-ms-run-function-failed: False\r\n"
_HEALTHY = Response(200, b"Healthy", b"content-type: text/html; charset=utf-8\r\n")
_READY = Response(200, b"Ready", b"content-type: text/plain; charset=utf-8\r\n")
_SCORE_OPTIONS = Response(
    200, b"", b"content-type: text/html; charset=utf-8\r\nallow: GET, POST, OPTIONS\r\n" + _NOT_FAILED
)


class Routes:
    """Takes every request to an instance that serves `entry`, which `scorer` runs."""

    def __init__(
        self,
        entry: Entry,
        scorer: Scorer,
        swagger: Page,
        capture: Capture | None = None,
    ) -> None:
        self._read: Reader = entry.read if capture is None else capture.reading(entry.read)
        self._capture = capture
        self.scorer = scorer
        self.open_inference: OpenInference | None = None
        self.score: Take = self._score  # takes what comes to the scoring route; a tape that rolls comes before it
        self.outermost: Take = self.take  # and what is put around it
        self.runs_options = False  # OPTIONS at the scoring route is the script's to answer
        self._pages: dict[str, Page] = {
            contract.LIVENESS_ROUTE: lambda _request: _HEALTHY,
            contract.READINESS_ROUTE: lambda _request: _READY,
            contract.SWAGGER_ROUTE: swagger,
            contract.STAGES_ROUTE: lambda request: json_response(200, _stages(scorer, request.query)),
        }

    def add_pages(self, pages: Mapping[str, Page]) -> None:
        """Answer with these pages too, by path."""
        self._pages.update(pages)

    def take(self, request: Request, deliver: Deliver) -> None:
        """Answer `request`: `deliver` is called with the answer, now or at the end of the loop's turn. Never raises."""
        if request.path == contract.SCORE_ROUTE:
            self.score(request, deliver)
            return
        page = self._pages.get(request.path)
        if page is None and self.open_inference is not None and request.path.startswith(PREFIXES):
            if self._capture is not None:
                deliver = self._capture.delivering(request, deliver)
            lines, refusal = _marks(request)
            if refusal is None:
                self.open_inference.take(request, lambda response: deliver(_with(response, lines)))
            else:
                deliver(_with(refusal, lines))
        elif page is None:
            known = f"{contract.SCORE_ROUTE}, {contract.SWAGGER_ROUTE}, {contract.LIVENESS_ROUTE}"
            deliver(message_response(404, f"There is nothing at {request.path}; try {known}", _NOT_FAILED))
        elif request.method not in ("GET", "HEAD") and (request.method, request.path) not in _POSTED:
            deliver(_wrong_method(request, "GET, HEAD"))
        else:
            lines, refusal = _marks(request)
            deliver(_with(refusal or page(request), lines))

    def _score(self, request: Request, deliver: Deliver) -> None:
        if self._capture is not None:
            deliver = self._capture.delivering(request, deliver)
        method = request.method
        if method not in ("POST", "GET", "OPTIONS"):
            deliver(_wrong_method(request, "GET, POST, OPTIONS"))
            return
        lines, refusal = _marks(request)
        if refusal is None and method == "OPTIONS" and not self.runs_options:
            refusal = _SCORE_OPTIONS
        if refusal is not None:
            deliver(_with(refusal, lines))
            return
        self.scorer.take(request, self._read, deliver, lines)


def _stages(scorer: Scorer, query: str) -> dict[str, Any]:
    stages = scorer.stages
    since = query[len("since=") :] if query.startswith("since=") else ""
    spans = stages.last(int(since) if since.isdecimal() else 0)
    return {"answered": stages.answered, "spans": [each._asdict() for each in spans]}


def _wrong_method(request: Request, allowed: str) -> Response:
    lines = b"allow: %b\r\n%b" % (allowed.encode("ascii"), _NOT_FAILED)
    return message_response(405, f"{request.method} is not allowed at {request.path}; use {allowed}", lines)


def _marks(request: Request) -> tuple[bytes, Response | None]:
    """Lines with ids, version and trace id; and the refusal of a request whose ids are too long."""
    refusal = None
    try:
        lines = id_lines(request.headers) + _VERSION_LINE
    except IdTooLongError as error:
        lines = error.lines + _VERSION_LINE
        refusal = message_response(431, f"{error} must not exceed {LONGEST} characters", _NOT_FAILED)
    trace_id = request.headers.get(b"traceid")
    if trace_id is not None:
        lines += b"traceid: %b\r\n" % trace_id
    return lines, refusal


def _with(response: Response, lines: bytes) -> Response:
    return Response(response.status, response.body, response.lines + lines, response.stream)

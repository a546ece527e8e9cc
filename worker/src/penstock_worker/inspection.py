"""The pages of an instance that the platform's doctor reads. The gateway routes nobody there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Callable
from urllib.parse import parse_qs

from penstock_worker import contract
from penstock_worker.facts import facts
from penstock_worker.instance_metrics import metrics_text
from penstock_worker.messages import JSON_LINE, Request, Response, json_response, message_response

if TYPE_CHECKING:
    from penstock_worker.measures import Place
    from penstock_worker.stages import Stages
    from penstock_worker.tracing import Traced

    Page = Callable[[Request], Response]

_METRICS_LINE = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n"


def metrics_page(place: Place, stages: Stages) -> Page:
    """The metrics of all processes of the instance."""
    return lambda _request: Response(200, metrics_text(place.whole(), stages).encode(), _METRICS_LINE)


def inspection_pages(traced: Traced, sample: Callable[[], bytes | None]) -> dict[str, Page]:
    """Facts, the sample request, and what run() does: GET tells it, POST `?seconds=N` starts to look."""

    def trace(request: Request) -> Response:
        if request.method == "POST":
            try:
                traced.start(float(parse_qs(request.query).get("seconds", ["10"])[0]))
            except ValueError:
                return message_response(400, "seconds is a number")
        return json_response(200, traced.trace.told())

    def sampled(_request: Request) -> Response:
        body = sample()
        return message_response(404, "there is no sample request") if body is None else Response(200, body, JSON_LINE)

    return {
        contract.TRACE_ROUTE: trace,
        contract.FACTS_ROUTE: lambda _request: Response(200, json.dumps(facts(traced.entry)).encode(), JSON_LINE),
        contract.SAMPLE_ROUTE: sampled,
    }

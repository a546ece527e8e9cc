"""The API of a standby: health of its own, and everything else passed on to the control plane that leads."""

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from penstock.api import errors
from penstock.api.forwarding import has_body, passed_back, passed_on
from penstock.api.mlflow import METHODS, pieces
from penstock.api.readiness import Readiness
from penstock.domain.errors import Code, PenstockError
from penstock.version import VERSION

_LIMITS = httpx.Limits(max_connections=256, max_keepalive_connections=16, keepalive_expiry=2.0)
_TIMEOUT = httpx.Timeout(600.0, connect=2.0, pool=30.0)
_GONE = 499  # nobody sees it: the client has left


def create_standby(leader: Callable[[], str | None], readiness: Readiness) -> FastAPI:
    """`leader` says at which URL the leader answers, or did so last."""
    transport = httpx.AsyncHTTPTransport(limits=_LIMITS, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    http = httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, trust_env=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await http.aclose()

    app = FastAPI(title="Penstock", version=VERSION, openapi_url=None, lifespan=lifespan)
    errors.install(app)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:  # pyright: ignore[reportUnusedFunction]
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Response:  # pyright: ignore[reportUnusedFunction]
        return await readiness.answer(role="standby")

    @app.api_route("/{path:path}", methods=METHODS)
    async def forward(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return await _forward(http, leader(), request)

    return app


async def _forward(http: httpx.AsyncClient, leader: str | None, request: Request) -> Response:
    """The leader's answer. Raises `unavailable`, with when to come again, while there is no leader."""
    if leader is None:
        raise _nobody_leads()
    query = request.scope["query_string"]
    path = request.scope["raw_path"] + (b"?" + query if query else b"")
    headers = request.headers.raw
    outgoing = httpx.Request(
        request.method,
        httpx.URL(leader).copy_with(raw_path=path),
        headers=passed_on(headers),
        content=request.stream() if has_body(headers) else b"",
    )
    try:
        answer = await http.send(outgoing, stream=True)
    except ClientDisconnect:
        return Response(status_code=_GONE)
    except httpx.HTTPError as err:
        raise _nobody_leads() from err
    passed = StreamingResponse(pieces(answer), answer.status_code)
    passed.raw_headers = list(passed_back(answer.headers.raw))
    return passed


def _nobody_leads() -> PenstockError:
    what = "the control plane that leads does not answer; the standby takes over within seconds: try again"
    return PenstockError(Code.UNAVAILABLE, what, {"retry_after": "1"})

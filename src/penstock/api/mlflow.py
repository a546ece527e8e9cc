"""MLflow under `/mlflow`, for training code, its command line and browsers, opened by the platform's token.

Bodies are passed on piece by piece in both directions. Requests that come while MLflow starts wait for it.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import anyio
import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.requests import ClientDisconnect

from penstock.access import SESSION_COOKIE, Access, from_same_site
from penstock.api.forwarding import has_body, request_headers, response_headers, target
from penstock.domain.errors import Code, PenstockError
from penstock.registry.server import MlflowServer

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_START_SECONDS = 120.0  # that a request waits for MLflow to start
_LOOK = 0.1  # seconds
_TRIES = 5
_MOST_WAITING = 100  # requests
_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=2.0)
# MLflow fetches a file from its store as a whole before it sends the first byte.
_TIMEOUT = httpx.Timeout(600.0, connect=2.0, pool=30.0)
_GONE = 499  # nobody sees it: the client has left


def routes(server: MlflowServer, token: str) -> APIRouter:
    """Everything under `/mlflow`."""
    proxy, access = MlflowProxy(server), Access(token)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        yield
        await proxy.close()

    router = APIRouter(include_in_schema=False, lifespan=lifespan)

    @router.api_route("/mlflow", methods=METHODS)
    async def front() -> Response:  # pyright: ignore[reportUnusedFunction]
        return RedirectResponse("/mlflow/", 308)

    @router.api_route("/mlflow/{path:path}", methods=METHODS)
    async def forward(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _turned_away(request, access) or await proxy.forward(request)

    return router


class MlflowProxy:
    """Passes requests on to `server`."""

    def __init__(self, server: MlflowServer) -> None:
        self._server = server
        self._waiting = 0
        transport = httpx.AsyncHTTPTransport(
            uds=str(server.socket), limits=_LIMITS, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        self._http = httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def forward(self, request: Request) -> Response:
        """MLflow's answer. Raises `unavailable` if it does not start, or breaks off."""
        deadline = anyio.current_time() + _START_SECONDS
        tries = 0
        while True:
            url = await self._started(deadline)
            tries += 1
            try:
                answer = await self._http.send(_outgoing(request, url), stream=True)
            except ClientDisconnect:
                return Response(status_code=_GONE)
            except httpx.PoolTimeout as err:
                raise _unavailable("is busy with other requests: try again") from err
            except httpx.HTTPError as err:  # it may have died just now
                if tries == _TRIES or not _repeatable(request, err):
                    raise _unavailable(f"broke off ({type(err).__name__}): try again") from err
                await anyio.sleep(_LOOK)
                continue
            passed = StreamingResponse(pieces(answer), answer.status_code)
            passed.raw_headers = list(response_headers(answer.headers.raw))
            return passed

    async def _started(self, deadline: float) -> str:
        """MLflow's URL as soon as it answers."""
        if self._waiting >= _MOST_WAITING:
            raise _unavailable("is starting, and too many requests wait for it: try again")
        self._waiting += 1
        try:
            while True:
                try:
                    return self._server.url()
                except PenstockError:
                    if not self._server.starting or anyio.current_time() > deadline:
                        raise
                await anyio.sleep(_LOOK)
        finally:
            self._waiting -= 1


def _turned_away(request: Request, access: Access) -> Response | None:
    """None for a request that may pass; a browser without a session is sent to the login and back.

    Raises `denied` for any other.
    """
    authorization = request.headers.get("authorization")
    if authorization is not None:
        if access.by_header(authorization):
            return None
        raise PenstockError(Code.DENIED, "wrong token: set MLFLOW_TRACKING_TOKEN to the platform's token")
    if access.by_session(request.cookies.get(SESSION_COOKIE, "")):
        headers = request.headers
        host, origin, fetch_site = headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site")
        if from_same_site(request.method, host=host, origin=origin, fetch_site=fetch_site):
            return None
        raise PenstockError(Code.DENIED, "a page of another address may change nothing here")
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
    raise PenstockError(
        Code.DENIED, "no token: set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_PASSWORD, to the platform's token"
    )


def _repeatable(request: Request, error: httpx.HTTPError) -> bool:
    """True if MLflow has seen nothing of the request, or may see it twice without another effect."""
    return isinstance(error, httpx.ConnectError) or (
        request.method in ("GET", "HEAD")
        and not has_body(request.headers.raw)
        and isinstance(error, (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError))
    )


def _outgoing(request: Request, url: str) -> httpx.Request:
    headers = request.headers.raw
    place = httpx.URL(url).copy_with(raw_path=target(request.scope["raw_path"], request.scope["query_string"]))
    content = request.stream() if has_body(headers) else b""
    return httpx.Request(request.method, place, headers=request_headers(headers), content=content)


async def pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes."""
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


def _unavailable(what: str) -> PenstockError:
    return PenstockError(Code.UNAVAILABLE, f"the model registry (MLflow) {what}", {"retry_after": "1"})

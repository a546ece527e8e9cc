"""What is put around all routes where the author's settings ask for it: CORS, a line for each request, no version."""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING, Callable

from penstock_worker import contract
from penstock_worker.messages import Request, Response
from penstock_worker.server_log import server_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.settings import Settings

    Deliver = Callable[[Response], None]
    Take = Callable[[Request, Deliver], None]

_LOGGED = (contract.SCORE_ROUTE, contract.SWAGGER_ROUTE)
_VERSION_LINE = re.compile(rb"x-ms-server-version: [^\r]*\r\n")
_METHODS = "GET, POST"
_REGEX_SIGNS = frozenset("*\\]?$^[()")


def surrounded(take: Take, settings: Settings) -> Take:
    """`take` with what `settings` ask for; itself if that is nothing."""
    if settings.cors_origins:
        take = _with_cors(take, settings.cors_origins)
    if not settings.shows_version:
        take = _without_version(take)
    return _with_lines(take) if settings.access_log else take


def _with_cors(take: Take, origins: Sequence[str]) -> Take:
    def taking(request: Request, deliver: Deliver) -> None:
        lines = _cors_lines(request, origins)
        take(request, lambda response: deliver(response._replace(lines=response.lines + lines)))

    return taking


def _without_version(take: Take) -> Take:
    def taking(request: Request, deliver: Deliver) -> None:
        take(request, lambda response: deliver(response._replace(lines=_VERSION_LINE.sub(b"", response.lines))))

    return taking


def _with_lines(take: Take) -> Take:
    def taking(request: Request, deliver: Deliver) -> None:
        if request.path not in _LOGGED:
            take(request, deliver)
            return
        began = request.arrived or perf_counter()

        def delivering(response: Response) -> None:
            size = "N/A" if response.stream is not None else len(response.body)
            target = f"{request.path}?{request.query}" if request.query else request.path
            milliseconds = (perf_counter() - began) * 1000
            server_log.info("%s %s %d %.3fms %s", request.method, target, response.status, milliseconds, size)
            deliver(response)

        take(request, delivering)

    return taking


def _cors_lines(request: Request, origins: Sequence[str]) -> bytes:
    origin = request.headers.get(b"origin")
    if origin is None:
        return b"vary: Origin\r\n" if origins != ("*",) else b""
    if not any(_matches(pattern, origin.decode("latin-1")) for pattern in origins):
        return b"vary: Origin\r\n"
    everybody = "*" in origins
    lines = b"access-control-allow-origin: %b\r\n" % (b"*" if everybody else origin)
    lines += b"" if everybody else b"vary: Origin\r\n"
    if request.method != "OPTIONS" or b"access-control-request-method" not in request.headers:
        return lines
    lines += b"access-control-allow-methods: %b\r\n" % _METHODS.encode("ascii")
    asked = request.headers.get(b"access-control-request-headers")
    return lines if asked is None else lines + b"access-control-allow-headers: %b\r\n" % asked


def _matches(pattern: str, origin: str) -> bool:
    """True if `origin` is the one that `pattern` names, or fits it as a regular expression, which flask-cors allows."""
    if pattern == "*" or pattern.lower() == origin.lower():
        return True
    try:
        return bool(_REGEX_SIGNS & set(pattern)) and re.match(pattern, origin, re.IGNORECASE) is not None
    except re.error:
        return False

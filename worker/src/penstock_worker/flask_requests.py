"""Flask's own request and context, for scripts whose environment has Flask: they may use all that it offers."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from penstock_worker.messages import Request

_OWN_NAMES = (b"content-type", b"content-length")


class FlaskRequests:
    """Makes Flask's requests. `flask` is the package."""

    def __init__(self, flask: Any) -> None:
        self._app = flask.Flask("penstock")
        self._request = flask.request

    def call(self, request: Request, function: Callable[..., Any], arguments: dict[str, Any], raw: str | None) -> Any:
        """What `function` returns within Flask's context for `request`, which is its argument `raw` too, if named."""
        with self._app.request_context(_environ(request)):
            if raw is not None:
                arguments = {**arguments, raw: self._request._get_current_object()}
            return function(**arguments)


def flask_requests(*, wanted: bool) -> FlaskRequests | None:
    """None where Flask is not installed, or the script has not imported it and does not want it."""
    if not wanted and "flask" not in sys.modules:
        return None
    try:
        import flask  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return FlaskRequests(flask)


def _environ(request: Request) -> dict[str, Any]:
    """`request` in the form of WSGI."""
    headers = request.headers
    host, _, port = headers.get(b"host", b"localhost").decode("latin-1").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode("utf-8").decode("latin-1"),
        "QUERY_STRING": request.query,
        "SERVER_NAME": host or "localhost",
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = name.decode("latin-1").upper().replace("-", "_")
        environ[key if name in _OWN_NAMES else f"HTTP_{key}"] = value.decode("latin-1")
    return environ

"""The address of a control plane's API, and the application that answers there, which may change with its role."""

import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from penstock import durable
from penstock.domain.errors import unavailable
from penstock.settings import Settings

_BACKLOG = 512
_GRACE_SECONDS = 3  # for calls that are under way when the application changes or ends
_JOIN_SECONDS = 5.0


class Api:
    """Listens from the start. Until the first `serve`, and while one application replaces another, callers wait."""

    def __init__(self, settings: Settings) -> None:
        self._listener = _listen(settings)
        self._running: tuple[uvicorn.Server, threading.Thread] | None = None

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def serve(self, app: ASGIApp) -> None:
        """Answer with `app` from now on; the calls that another one has are answered by it."""
        before = self._running
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS, lifespan="on"
        )
        server = uvicorn.Server(config)
        sockets = [self._listener.dup()]  # closed by whoever serves on it
        thread = threading.Thread(target=server.run, args=(sockets,), name="api", daemon=True)
        self._running = server, thread
        thread.start()
        _end(before)

    def close(self) -> None:
        """Take no more calls, and give those that are under way a moment."""
        self._listener.close()
        _end(self._running)


def _end(running: tuple[uvicorn.Server, threading.Thread] | None) -> None:
    if running is not None:
        server, thread = running
        server.should_exit = True
        thread.join(_JOIN_SECONDS)


def _listen(settings: Settings) -> socket.socket:
    """A listener on the API's port. Port 0 means the one from before if it is free, so that clients find us again."""
    memory = settings.home / ("standby.port" if settings.standby else "port")
    port = settings.api_port
    before = int(memory.read_text()) if port == 0 and memory.exists() else 0
    try:
        listener = _bound(settings.host, port or before)
    except OSError as err:
        if port:
            raise unavailable(
                f"the API cannot listen on {settings.host}:{port}: {err.strerror}; choose another port with "
                "`penstock up --port N` (0 picks a free one), or end the process that uses it"
            ) from err
        listener = _bound(settings.host, 0)
    listener.listen(_BACKLOG)
    durable.replace(memory, str(listener.getsockname()[1]).encode())
    return listener


def _bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it: without, an answer's body waits 40 ms for the client to acknowledge its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener

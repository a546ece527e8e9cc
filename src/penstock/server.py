"""One control plane as a process: home folder, lock, token, ports, and a clean end."""

import fcntl
import json
import logging
import logging.handlers
import os
import secrets
import signal
import socket
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from penstock import durable
from penstock.api.app import create_app
from penstock.domain.errors import PenstockError, conflict, unavailable
from penstock.engines.container import end_owned_containers
from penstock.engines.local import end_owned_processes
from penstock.outside import container_tool
from penstock.settings import Settings, from_environment
from penstock.web.dashboard import dashboard
from penstock.wiring import build

log = logging.getLogger(__name__)

_BACKLOG = 512
_LOG_BYTES = 10 * 1024 * 1024
_GRACE = timedelta(seconds=10)
_PLAIN_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def serve(settings: Settings) -> int:
    """Run a control plane until it is told to end; then end its gateway and instances too. Returns the exit code.

    Raises `conflict` if one runs for this home already, `unavailable` if a port cannot be had.
    """
    os.umask(0o077)  # whatever is written, here and by instances, is for this user alone
    prepare_home(settings)
    with _home_lock(settings):
        _log_to(settings.home / "logs")
        listener = _listen(settings)
        try:
            _run(settings, listener)
        finally:
            listener.close()
            settings.server_file.unlink(missing_ok=True)
            end_owned_processes(str(settings.home), _GRACE)
            end_owned_containers(str(settings.home), settings.container_folder, lambda: container_tool(settings))
    return 0


def prepare_home(settings: Settings) -> None:
    """Make the home and the folder of sockets, for their owner alone. Raises `conflict` if somebody else owns them."""
    for folder in (settings.home, settings.home / "logs", settings.run_folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise conflict(f"{folder} is not a folder of this user: remove it, or set PENSTOCK_HOME to another place")
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)


def _run(settings: Settings, listener: socket.socket) -> None:
    """Until a signal: uvicorn ends its work on the first one and then raises it again, as KeyboardInterrupt."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    platform = build(settings, _token(settings.token_file), lambda: os.kill(os.getpid(), signal.SIGTERM))
    try:
        platform.start()
        _announce(settings, listener, platform.services.gateway_url)
        app = create_app(platform.services)
        app.include_router(
            dashboard(platform.services.resources, platform.services.token, platform.services.gateway_url)
        )
        config = uvicorn.Config(app, log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        log.info("platform is ending")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # what follows must come to its end
        platform.stop()
        platform.gateway.stop()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _home_lock(settings: Settings) -> Generator[None]:
    """Only one control plane per home; the lock ends with the process, however that ends."""
    descriptor = os.open(settings.home / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise conflict(f"a platform runs already for {settings.home}; see `penstock status`") from None
    finally:
        os.close(descriptor)


def _listen(settings: Settings) -> socket.socket:
    """A listener on the API's port. Port 0 means the one from before if it is free, so that clients find us again."""
    memory = settings.home / "port"
    before = int(memory.read_text()) if settings.port == 0 and memory.exists() else 0
    try:
        listener = _bound(settings.host, settings.port or before)
    except OSError as err:
        if settings.port:
            raise unavailable(
                f"the API cannot listen on {settings.host}:{settings.port}: {err.strerror}; choose another port with "
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


def _token(path: Path) -> str:
    """The admin token of this home, made on the first start."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        durable.replace(path, f"{secrets.token_urlsafe(32)}\n".encode())
        return path.read_text().strip()


def _announce(settings: Settings, listener: socket.socket, gateway_url: str) -> None:
    """Write where the platform is to be found, for the clients of this host."""
    port = listener.getsockname()[1]
    found = {"url": f"http://{settings.host}:{port}", "gateway_url": gateway_url, "pid": os.getpid()}
    durable.replace(settings.server_file, json.dumps(found).encode())
    log.info("platform is up", extra=found)


def _log_to(folder: Path) -> None:
    path = folder / "server.log"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600))
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=2)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for library in ("httpx", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)


class _Formatter(logging.Formatter):
    """Constant text, then the record's keys: `instance started instance=fraud.blue.1a2b3c4d.0 pid=123`."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        keys: dict[str, Any] = {k: v for k, v in vars(record).items() if k not in _PLAIN_RECORD}
        return " ".join([super().formatMessage(record), *(f"{name}={value}" for name, value in keys.items())])


def main() -> int:
    """`python -m penstock.server`: what `penstock up --detach` starts, with its settings in the environment."""
    try:
        return serve(from_environment())
    except PenstockError as err:
        print(f"error: {err.message}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

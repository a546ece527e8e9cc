"""One control plane as a process: home folder, lock, token, role, and a clean end."""

import logging
import logging.handlers
import os
import secrets
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Any

from penstock import durable, home
from penstock.api.app import create_app
from penstock.api.readiness import Readiness
from penstock.api.standby import create_standby
from penstock.control.clock import SystemClock
from penstock.domain.errors import Code, PenstockError, conflict
from penstock.ending import end_control_planes, end_serving
from penstock.listening import Api
from penstock.orders import Orders
from penstock.settings import Settings, from_environment
from penstock.vigil import Vigil
from penstock.web.dashboard import dashboard
from penstock.wiring import build

log = logging.getLogger(__name__)

_LOG_BYTES = 10 * 1024 * 1024
_LOOK_SECONDS = 0.1  # of a standby, whether the leader has ended
_PAUSE_SECONDS = 1.0
_STOP_SHARE = 0.3  # of the drain time, for what the control plane itself is doing
_LAST_SECONDS = 5  # after the drain time, until a process that has come to no end is cut off
_PLAIN_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def serve(settings: Settings) -> int:
    """Run a control plane until it is told to end. Returns the exit code.

    Gateway and instances end with it, once they have answered what has come, unless the settings say otherwise or
    another control plane of this home stays. Raises `conflict` if one of this name runs for this home already,
    `unavailable` if a port cannot be had.
    """
    os.umask(0o077)  # whatever is written, here and by instances, is for this user alone
    prepare_home(settings)
    orders = Orders()
    with home.seat(settings.home, settings.name):
        _log_to(settings.home / "logs", settings)
        lock = home.LeaderLock(settings.home, settings.name)
        api = Api(settings)
        try:
            if lock.take():
                _lead(settings, api, orders)
            elif _follow(settings, lock, api, orders):
                _take_over(settings, api, orders)
        finally:
            _end(settings, api, orders)
            lock.close()
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


def _follow(settings: Settings, lock: home.LeaderLock, api: Api, orders: Orders) -> bool:
    """True once this control plane may lead, False if it is to end before."""
    vigil = Vigil(settings, lock, SystemClock())
    api.serve(create_standby(vigil.leader_url, Readiness(vigil.checks())))
    vigil.start()
    leader = home.leader(settings.server_file)
    _announce(settings, api, leader.gateway_url if leader is not None else "")
    log.info("following", extra={"leader": vigil.leader_url()})
    try:
        while not lock.take():
            if orders.wait(_LOOK_SECONDS):
                return False
    finally:
        vigil.stop()
    log.warning("taking over")
    return True


def _take_over(settings: Settings, api: Api, orders: Orders) -> None:
    """Lead, as soon as what that needs is there: nobody else is left to do so."""
    while True:
        try:
            _lead(settings, api, orders)
        except PenstockError as err:
            if err.code is not Code.UNAVAILABLE:
                raise
            log.error("cannot take over yet", extra={"error": err.message})
        if orders.wait(_PAUSE_SECONDS):
            return


def _lead(settings: Settings, api: Api, orders: Orders) -> None:
    """Until told to end. Gateway and instances that are there already are taken over as they are."""
    platform = build(settings, _token(settings.token_file), orders.end_everything)
    try:
        platform.start()
        services = platform.services
        app = create_app(services)
        app.include_router(dashboard(services.resources, services.token, services.gateway_url))
        place = asdict(_announce(settings, api, services.gateway_url))
        durable.replace(settings.server_file, dumps(place).encode())
        api.serve(app)
        log.info("platform is up", extra={"url": place["url"], "gateway_url": place["gateway_url"]})
        orders.wait()
        log.info("platform is ending")
        api.close()
    finally:
        _within(settings.drain_seconds * _STOP_SHARE, platform.stop)


def _end(settings: Settings, api: Api, orders: Orders) -> None:
    """Withdraw, and end gateway and instances if nobody stays who looks after them, or if nobody is to."""
    began = time.monotonic()
    _cut_off_after(settings.drain_seconds + _LAST_SECONDS)
    api.close()
    alone = home.alone_from_now(settings.home, settings.name)
    if orders.everything:
        end_control_planes(settings)
    if orders.everything or (alone and not settings.keep_serving):
        end_serving(settings, began + settings.drain_seconds * (1 - _STOP_SHARE), orders.at_once)
    home.withdraw(settings.home, settings.name, settings.server_file)


def _within(seconds: float, work: Callable[[], object]) -> None:
    """Do it, or leave it alone when the time is over: it may wait for a database that hangs."""
    thread = threading.Thread(target=work, name="ending", daemon=True)
    thread.start()
    thread.join(seconds)


def _cut_off_after(seconds: float) -> None:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()


def _announce(settings: Settings, api: Api, gateway_url: str) -> home.Place:
    """Write where this control plane is to be found, for the clients of this host."""
    url = f"http://{settings.host}:{api.port}"
    place = home.Place(name=settings.name, url=url, gateway_url=gateway_url, pid=os.getpid())
    home.announce(settings.home, place)
    return place


def _token(path: Path) -> str:
    """The admin token of this home, made on the first start."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        durable.replace(path, f"{secrets.token_urlsafe(32)}\n".encode())
        return path.read_text().strip()


def _log_to(folder: Path, settings: Settings) -> None:
    path = folder / ("standby.log" if settings.standby else "server.log")
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

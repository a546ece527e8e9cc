"""The supervised MLflow server: started when it is first needed, started again when it has died.

It listens on a unix socket in an owner-only folder: there is no way in but through the platform, which asks for its
token. Clients that come by a socket also count as remote to MLflow, which keeps its assistant from running commands.
"""

import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from penstock import durable
from penstock.domain.errors import Code, PenstockError, full_disk_named, unavailable
from penstock.engines.base import Engine, Process, ProcessSpec
from penstock.registry.failures import explain
from penstock.registry.settings import MlflowSettings

log = logging.getLogger(__name__)

_URL = "http://localhost"
_LOOK, _LOOK_STARTING = 1.0, 0.1  # seconds
_START = timedelta(minutes=5)  # MLflow tries for minutes to reach a database that is away
_GRACE = timedelta(seconds=5)
_CONNECT_SECONDS = 0.2
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds between starts that fail
_LAST_BYTES = 16 * 1024


class ServerPhase(StrEnum):
    STOPPED = "not started"  # nobody has needed it yet
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class ServerState:
    phase: ServerPhase
    pid: int | None = None
    message: str = ""


class MlflowServer:
    """One server per home, at `url()` by way of `socket`. All methods may be called from any thread.

    `command` returns the `mlflow` executable and may take minutes to make one; it is called from a thread of this
    class alone, and may raise PenstockError.
    """

    def __init__(
        self,
        settings: MlflowSettings,
        engine: Engine,
        command: Callable[[], Path],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.socket = settings.socket
        self._settings = settings
        self._engine = engine
        self._command = command
        self._clock = clock
        self._lock = threading.Lock()
        self._wanted = False  # by somebody who waits, or because it was there before
        self._opened = False  # it has answered once, so that what it holds counts
        self._failure: PenstockError | None = None
        self._tries = 0
        self._next_try = 0.0
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)

    def start(self) -> None:
        """Begin to supervise. A server that an earlier control plane has left is found again."""
        for process in self._engine.inspect():
            if process.name.startswith("mlflow.") and process.name != self._settings.name:
                self._engine.stop(process.name, timedelta())  # of other settings: it writes elsewhere
        self._wanted = self._process() is not None
        self._thread.start()
        self._wake.set()

    def stop(self) -> None:
        """End the supervision; the server itself goes on."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def url(self) -> str:
        """Where the server answers, on `socket`. Takes no longer than a connection to it.

        Raises `unavailable` while it starts, which this call has seen to, or with what kept it from starting;
        `details["retry_after"]` says after how many seconds to ask again.
        """
        if self._opened and self._answers():
            return _URL
        with self._lock:
            wait = self._next_try - self._clock()
            if self._failure is not None and wait > 0:
                details = {**self._failure.details, "retry_after": str(int(wait) + 1)}
                raise PenstockError(Code.UNAVAILABLE, self._failure.message, details)
            self._wanted, self._failure = True, None
        self._wake.set()
        what = "the model registry (MLflow) is starting; try again in some seconds"
        raise PenstockError(Code.UNAVAILABLE, what, {"retry_after": "1"})

    @property
    def starting(self) -> bool:
        """True while it may soon answer: no failure is known, and somebody has asked for it."""
        return self._wanted and self._failure is None

    def state(self) -> ServerState:
        """What is so, for people; asking starts nothing."""
        process, failure = self._process(), self._failure
        pid = process.pid if process else None
        if self._opened and self._answers():
            return ServerState(phase=ServerPhase.READY, pid=pid)
        if self.starting:
            return ServerState(phase=ServerPhase.STARTING, pid=pid)
        if failure is not None:
            return ServerState(phase=ServerPhase.FAILED, message=failure.message)
        return ServerState(phase=ServerPhase.STOPPED)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(_LOOK)
            self._wake.clear()
            try:
                self._step()
            except Exception:
                # Top of a background thread: it must outlive a disk that is full for a while.
                log.exception("supervision of the model registry failed")

    def _step(self) -> None:
        try:
            if self._answers():
                self._open()
                self._bound_log()
            elif self._wanted and self._clock() >= self._next_try:
                self._opened = False
                self._bring_up()
        except PenstockError as err:
            self._failed(err)
        except OSError as err:
            self._failed(unavailable(f"the model registry (MLflow) cannot start: {err}"))

    def _bring_up(self) -> None:
        """Start the server and wait until it answers. Raises PenstockError with the reason if it does not."""
        settings = self._settings
        try:
            command = self._command()
        except PenstockError as err:
            raise PenstockError(
                err.code, f"the model registry (MLflow) cannot start: {err.message}", err.details
            ) from err
        with full_disk_named(settings.folder):
            settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._bound_log()
            fresh = self._process() is None
            if fresh:
                self._remove_unopened()
        begun = settings.log.stat().st_size if settings.log.exists() else 0
        spec = ProcessSpec(
            name=settings.name,
            argv=(str(command), *settings.arguments()),
            environment=settings.environment(),
            folder=settings.folder,
            log=settings.log,
        )
        self._engine.forget(settings.name)
        self._engine.start(spec)
        log.info("model registry is starting", extra={"command": command})
        self._await_answer(begun, fresh=fresh)

    def _await_answer(self, begun: int, *, fresh: bool) -> None:
        while not self._answers():
            process = self._process()
            if process is None and not fresh:  # what was there was ending: no start has failed
                self._wake.set()
                return
            if process is None:
                raise self._explained(begun)
            if datetime.now(UTC) - process.started_at > _START:
                self._end()
                raise unavailable(
                    f"the model registry (MLflow) did not answer within {_START} and was ended; "
                    f"see {self._settings.log}"
                )
            if self._closing.wait(_LOOK_STARTING):
                return
        self._open()

    def _open(self) -> None:
        """From now on the server is used, and its database is never begun anew."""
        if self._opened:
            return
        self.socket.chmod(0o600)
        if self._settings.own_database is not None and not self._marker.exists():
            with full_disk_named(self._settings.folder):
                durable.replace(self._marker, b"")
        with self._lock:
            self._wanted, self._failure, self._tries, self._next_try = True, None, 0, 0.0
            self._opened = True
        log.info("model registry is ready")

    def _remove_unopened(self) -> None:
        """Drop a database whose making was cut short: MLflow could not go on with it, and nobody has used it yet."""
        database = self._settings.own_database
        if database is None or self._marker.exists():
            return
        for file in database.parent.glob(f"{database.name}*"):
            file.unlink()

    @property
    def _marker(self) -> Path:
        return self._settings.folder / ".opened"

    def _failed(self, error: PenstockError) -> None:
        pause = min(_FIRST_PAUSE * 2**self._tries, _LONGEST_PAUSE)
        log.warning("model registry did not start", extra={"error": error.message, "next_try_seconds": pause})
        with self._lock:
            self._wanted, self._failure = False, error
            self._tries, self._next_try = self._tries + 1, self._clock() + pause

    def _explained(self, begun: int) -> PenstockError:
        settings = self._settings
        ended = [p for p in self._engine.inspect() if p.name == settings.name]
        code = ended[0].exit_code if ended else None
        output = settings.without_secrets(_read_from(settings.log, begun))
        free = shutil.disk_usage(settings.folder).free
        return explain(output, code, free_bytes=free, folder=settings.folder, log=settings.log)

    def _end(self) -> None:
        while self._process() is not None and not self._closing.wait(_LOOK_STARTING):
            self._engine.stop(self._settings.name, _GRACE)

    def _process(self) -> Process | None:
        return next((p for p in self._engine.inspect() if p.name == self._settings.name and p.running), None)

    def _answers(self) -> bool:
        """True if somebody listens on the socket; one that is too busy to take the connection counts as well."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CONNECT_SECONDS)
            try:
                connection.connect(str(self.socket))
            except (BlockingIOError, TimeoutError):
                return True
            except OSError:
                return False
        return True

    def _bound_log(self) -> None:
        """Begin the log anew when it is large. The server appends to the same file, so it is emptied in place."""
        path = self._settings.log
        if path.exists() and path.stat().st_size > self._settings.log_bytes:
            with suppress(OSError):  # on a full disk the old lines are lost, and room is made
                shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)


def _read_from(path: Path, begun: int) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(begun, size - _LAST_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""

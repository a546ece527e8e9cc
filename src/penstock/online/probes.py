"""Liveness and readiness probes with Azure's settings: what counts as failed, and the thread that asks."""

import http.client
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from penstock.domain.deployment import Probe
from penstock.online.instance_calls import connection_to
from penstock.online.whereabouts import Question

log = logging.getLogger(__name__)

_TICK = 0.25
_PROBES_AT_A_TIME = 16


@dataclass(frozen=True)
class ProbeState:
    """Outcome of one probe so far. `passing` changes after as many equal answers in a row as the settings say."""

    passing: bool = True
    run: int = 0  # answers in a row that contradict `passing`

    def after(self, *, succeeded: bool, settings: Probe) -> "ProbeState":
        if succeeded == self.passing:
            return replace(self, run=0)
        threshold = settings.success_threshold if succeeded else settings.failure_threshold
        run = self.run + 1
        return ProbeState(passing=succeeded) if run >= threshold else replace(self, run=run)


@dataclass(frozen=True, kw_only=True)
class Target:
    """An instance to be probed from now on. `identity` differs between two processes of one name."""

    name: str
    identity: tuple[int, float]
    liveness_at: Question
    readiness_at: Question
    liveness: Probe
    readiness: Probe


@dataclass
class _Watched:
    target: Target
    live: ProbeState
    ready: ProbeState
    live_due: float
    ready_due: float
    yes_in_a_row: int = 0  # to the question whether it is ready
    answered: bool = False
    busy: bool = False


class Prober:
    """Probes every target by its own settings. `changed(name)` is called when an outcome flips."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(_PROBES_AT_A_TIME, thread_name_prefix="probe")
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def watch(self, target: Target) -> None:
        """Begin to probe, after the settings' initial delays; fine if it is watched already."""
        now = time.monotonic()
        with self._lock:
            known = self._watched.get(target.name)
            if known is not None and known.target.identity == target.identity:
                known.target = target
                return
            self._watched[target.name] = _Watched(
                target,
                ProbeState(),
                ProbeState(),
                live_due=now + target.liveness.initial_delay,
                ready_due=now + target.readiness.initial_delay,
            )

    def forget(self, name: str) -> None:
        with self._lock:
            self._watched.pop(name, None)

    def outcome(self, name: str) -> tuple[bool, bool]:
        """(live, ready) of an instance; both true until probes have said otherwise."""
        with self._lock:
            watched = self._watched.get(name)
            return (True, True) if watched is None else (watched.live.passing, watched.ready.passing)

    def answered(self, name: str, identity: tuple[int, float]) -> bool:
        """True once this process has said, as often in a row as its settings ask for, that it is ready."""
        with self._lock:
            watched = self._watched.get(name)
            return watched is not None and watched.target.identity == identity and watched.answered

    def _run(self) -> None:
        while not self._stopped.wait(_TICK):
            now = time.monotonic()
            with self._lock:
                due = [w for w in self._watched.values() if not w.busy and min(w.live_due, w.ready_due) <= now]
                for watched in due:
                    watched.busy = True
            for watched in due:
                self._pool.submit(self._probe, watched, now)

    def _probe(self, watched: _Watched, now: float) -> None:
        target = watched.target
        before = watched.live.passing, watched.ready.passing, watched.answered
        live, ready, yes = watched.live, watched.ready, watched.yes_in_a_row
        if watched.live_due <= now:
            succeeded = _answers(target.liveness_at, target.liveness.timeout)
            live = live.after(succeeded=succeeded, settings=target.liveness)
        if watched.ready_due <= now:
            succeeded = _answers(target.readiness_at, target.readiness.timeout)
            ready = ready.after(succeeded=succeeded, settings=target.readiness)
            yes = yes + 1 if succeeded else 0
        answered = watched.answered or yes >= target.readiness.success_threshold
        with self._lock:
            watched.live, watched.ready, watched.busy = live, ready, False
            watched.yes_in_a_row, watched.answered = yes, answered
            if watched.live_due <= now:
                watched.live_due = now + target.liveness.period
            if watched.ready_due <= now:
                watched.ready_due = now + target.readiness.period
        if (live.passing, ready.passing, answered) != before:
            log.info("probe outcome changed", extra={"instance": target.name, "live": live.passing})
            self._changed(target.name)


def _answers(question: Question, timeout: float) -> bool:
    """True if the instance answers 200 in time."""
    connection = connection_to(question.address, timeout)
    try:
        connection.request("GET", question.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

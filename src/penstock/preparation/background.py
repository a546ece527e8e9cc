"""Work in the background, once per key, so that no controller waits for it: builds, downloads."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from penstock.domain.errors import Code, PenstockError

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds between tries of what is unavailable


@dataclass
class _Task(Generic[ResultT]):
    future: Future[ResultT]
    tries: int
    ended_at: float | None = None  # monotonic seconds


class Background(Generic[ResultT]):
    """Runs each key's task once, however many ask for it, `at_a_time` of them together.

    A failure is remembered until `retry`; `unavailable` ones only for a pause that grows with each try.
    """

    def __init__(self, what: str, *, at_a_time: int = 2, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._pool = ThreadPoolExecutor(at_a_time, thread_name_prefix=what)
        self._tasks: dict[str, _Task[ResultT]] = {}
        self._lock = threading.Lock()

    def outcome(
        self,
        key: str,
        task: Callable[[], ResultT],
        done: Callable[[], None] = lambda: None,
        *,
        patience: float = 0.0,
    ) -> ResultT | PenstockError | None:
        """What `task` returned, or the error that it raised, or None while it runs.

        The first call starts it; `done` is called from another thread when it has ended. `patience` is for how many
        seconds this call waits for the end. A result is handed out once, to whoever asks first.
        """
        with self._lock:
            known = self._tasks.get(key)
            if known is None or self._due_again(known):
                known = self._start(key, task, done, tries=known.tries + 1 if known else 1)
        wait([known.future], patience)
        with self._lock:
            if not known.future.done():
                return None
            error = known.future.exception()
            if error is None:
                if self._tasks.get(key) is known:
                    del self._tasks[key]
                return known.future.result()
        return error if isinstance(error, PenstockError) else PenstockError(Code.INTERNAL, str(error))

    def retry(self, key: str) -> None:
        """Forget what has ended, so that the next `outcome` begins anew."""
        with self._lock:
            known = self._tasks.get(key)
            if known is not None and known.future.done():
                del self._tasks[key]

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, key: str, task: Callable[[], ResultT], done: Callable[[], None], *, tries: int) -> _Task[ResultT]:
        log.info("background work started", extra={"work": self._what, "key": key})
        entry = _Task(self._pool.submit(task), tries)
        self._tasks[key] = entry
        entry.future.add_done_callback(lambda _: self._ended(entry, done))
        return entry

    def _ended(self, entry: _Task[ResultT], done: Callable[[], None]) -> None:
        entry.ended_at = self._clock()
        done()

    def _due_again(self, task: _Task[ResultT]) -> bool:
        """True for what was unavailable, once its pause is over."""
        if not task.future.done() or task.ended_at is None:
            return False
        error = task.future.exception()
        pause = min(_FIRST_PAUSE * 2 ** (task.tries - 1), _LONGEST_PAUSE)
        waited = self._clock() - task.ended_at >= pause
        return isinstance(error, PenstockError) and error.code is Code.UNAVAILABLE and waited

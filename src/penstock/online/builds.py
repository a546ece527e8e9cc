"""Environment builds in the background, so that no controller waits for one."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from penstock.domain.errors import Code, PenstockError
from penstock.environments.base import Build, BuiltEnvironment, Environments

log = logging.getLogger(__name__)

_BUILDS_AT_A_TIME = 2


class Builds:
    """Runs each build once, however many deployments ask for it. A failure is remembered until `retry`."""

    def __init__(self, environments: Environments) -> None:
        self._environments = environments
        self._pool = ThreadPoolExecutor(_BUILDS_AT_A_TIME, thread_name_prefix="build")
        self._futures: dict[str, Future[BuiltEnvironment]] = {}
        self._lock = threading.Lock()

    def outcome(self, build: Build, done: Callable[[], None]) -> BuiltEnvironment | PenstockError | None:
        """The built environment, or why it cannot be built, or None while it is being built.

        The first call starts the build; `done` is called from another thread when it has ended.
        """
        with self._lock:
            future = self._futures.get(build.fingerprint)
            if future is None:
                built = self._environments.built(build.fingerprint)
                if built is not None:
                    return built
                future = self._pool.submit(self._build, build)
                self._futures[build.fingerprint] = future
                future.add_done_callback(lambda _: done())
        if not future.done():
            return None
        error = future.exception()
        if error is None:
            self.retry(build.fingerprint)
            return future.result()
        return error if isinstance(error, PenstockError) else PenstockError(Code.INTERNAL, str(error))

    def retry(self, fingerprint: str) -> None:
        """Forget a finished build, so that the next `outcome` looks, and builds, again."""
        with self._lock:
            future = self._futures.get(fingerprint)
            if future is not None and future.done():
                del self._futures[fingerprint]

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _build(self, build: Build) -> BuiltEnvironment:
        log.info("environment build started", extra={"fingerprint": build.fingerprint})
        return self._environments.ensure(build)

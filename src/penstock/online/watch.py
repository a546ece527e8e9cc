"""Notices processes that come, load and go, so that nobody has to look at all of them all the time."""

import threading
from collections.abc import Callable

from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.instance import parse_instance_name
from penstock.domain.resource import Key
from penstock.engines.base import Engine

_TICK = 0.1


class Watch:
    """Calls `enqueue` for a deployment whenever one of its processes has started or ended."""

    def __init__(self, engine: Engine, enqueue: Callable[[Key], None]) -> None:
        self._engine = engine
        self._enqueue = enqueue
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        before: set[tuple[str, int, bool]] = set()
        while not self._stopped.wait(_TICK):
            now = {(p.name, p.pid, p.running) for p in self._engine.inspect()}
            for name in {name for name, _, _ in now ^ before}:
                self.changed(name)
            before = now

    def changed(self, instance: str) -> None:
        """Have the deployment of this instance looked at."""
        name = parse_instance_name(instance)
        if name is not None:
            self._enqueue(Key(ONLINE_DEPLOYMENT.name, f"{name.endpoint}/{name.deployment}"))

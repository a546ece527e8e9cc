"""The gateway as an HAProxy of our own, which outlives the control plane and is found again by it."""

import logging
import threading
import time
from collections.abc import Collection, Mapping, Sequence

from penstock.domain.errors import Code, PenstockError
from penstock.gateway import maps
from penstock.gateway.base import Applied, Copies, ServerState, Tally
from penstock.gateway.changes import plan
from penstock.gateway.config import Config, render
from penstock.gateway.copies import copies_exposed
from penstock.gateway.folder import Folder, Saved
from penstock.gateway.ledger import Ledger
from penstock.gateway.observed import Crowd, RunningServer
from penstock.gateway.process import end_all, ended, find_program, free_port, launch, marked, measure_host, port_taken
from penstock.gateway.runtime import Runtime
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import RoutingTable

log = logging.getLogger(__name__)

_START_SECONDS = 10.0
_PORT_SECONDS = 3.0  # until another port is taken than the one from before
_ALIVE_SECONDS = 2.0
_REMOVAL_SECONDS = 0.5


class HaproxyGateway:
    """A `Gateway`. What is wanted is written to the folder first, then told to the running process.

    So whatever is killed in between, the next `start` or `apply` finds the truth in the process and the wish in the
    folder, and goes on from there.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._folder = Folder(settings)
        self._runtime = Runtime(settings.run_folder)
        self._ledger = Ledger()
        self._lock = threading.RLock()
        self._port = 0
        self._child: int | None = None

    @property
    def port(self) -> int:
        return self._port

    def start(self) -> None:
        with self._lock:
            self._folder.prepare()
            saved = self._folder.saved()
            running = saved is not None and self.alive() and bool(marked(self._settings.owner))
            if not running:
                end_all(self._settings.owner)
            self._port = self._choose_port(saved, running=running)
            table = saved.table if saved else RoutingTable()
            self._folder.save(Saved(port=self._port, table=table))
            if not running:
                self._launch(self._render(table))
            self.apply(table)

    def apply(self, table: RoutingTable) -> Applied:
        with self._lock:
            config = self._render(table)
            running = self._runtime.observe()
            changes = plan(config, running)
            self._folder.save(Saved(port=self._port, table=table))
            self._folder.write(config)
            if changes.reasons:
                log.info("gateway reloads", extra={"reasons": changes.reasons})
                self._reload(config)
                running = self._runtime.observe()
            rest = plan(config, running)
            for command in rest.commands:
                self._runtime.command(command)
            removed = self._runtime.remove(rest.removals, _REMOVAL_SECONDS) if rest.removals else 0
            self._folder.rotate_log()
            return Applied(reasons=changes.reasons, commands=len(rest.commands) + removed)

    def observe(self) -> Mapping[str, ServerState]:
        asleep = self._runtime.asleep()
        # The queue is looked at before the servers, so that a request on its way from one to the other is seen.
        crowds: Mapping[str, Crowd] = self._runtime.crowds() if asleep else {}
        active = dict(self._runtime.active())
        states = {s.name: _state(s, active.pop(s.name, 0), asleep, crowds) for s in self._runtime.servers()}
        # What is left is in a worker from before a reload, which finishes it.
        left = {name: ServerState(up=False, draining=True, active=count) for name, count in active.items() if count}
        return states | left

    def held(self) -> Mapping[str, int]:
        asleep = self._runtime.asleep()
        crowds: Mapping[str, Crowd] = self._runtime.crowds() if asleep else {}
        return {maps.deployment_name(name): crowds[name].held for name in asleep if name in crowds}

    def tallies(self) -> Sequence[Tally]:
        return self._ledger.whole((self._runtime.tally(), *self._runtime.finishing_tallies()))

    def alive(self) -> bool:
        self._reap()
        try:
            self._runtime.structure(_ALIVE_SECONDS)
        except PenstockError:
            return False
        if self._lock.acquire(blocking=False):  # whoever applies rotates the log too
            try:
                self._folder.rotate_log()
            finally:
                self._lock.release()
        return True

    def copies(self) -> Mapping[str, Copies]:
        return self._runtime.copies(measure_host(self._port).threads)

    def metrics(self) -> bytes:
        return self._runtime.metrics() + copies_exposed(self.copies()).encode()

    def stop(self) -> None:
        with self._lock:
            end_all(self._settings.owner)
            self._reap()

    def _render(self, table: RoutingTable) -> Config:
        return render(table, self._settings, measure_host(self._port))

    def _choose_port(self, saved: Saved | None, *, running: bool) -> int:
        """The port from the settings, or the one from before; tested unless our own process listens on it.

        Once it has been told to clients it stays: whoever holds it for a moment is waited out by the next call.
        """
        host, wanted, before = self._settings.host, self._settings.port or self._port, saved.port if saved else 0
        if running and wanted in (0, before):
            return before
        if wanted or not before:
            return free_port(host, wanted)
        # A process that was killed may hold its sockets for a moment after it has gone from the list.
        deadline = time.monotonic() + _PORT_SECONDS
        while time.monotonic() < deadline:
            try:
                return free_port(host, before)
            except PenstockError:
                time.sleep(0.02)
        return free_port(host, 0)

    def _launch(self, config: Config) -> None:
        program = find_program(self._settings.binary)
        self._folder.write(config)
        self._folder.write_states("")  # states from before would make instances wait for their first check
        start = self._folder.log_end()
        self._child = launch(program, self._settings.folder.absolute(), self._folder.log, self._settings.owner)
        try:
            self._await(config, start)
        except PenstockError:
            end_all(self._settings.owner)
            self._reap()
            raise

    def _reload(self, config: Config) -> None:
        """States of servers go with the reload, so that a draining instance gets nothing from the new worker either."""
        self._folder.write_states(self._runtime.server_states())
        start = self._folder.log_end()
        self._ledger.note(self._runtime.tally())
        self._runtime.reload()
        self._await(config, start)

    def _await(self, config: Config, log_start: int) -> None:
        """Return once a worker with this very configuration answers, and the master too."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._reap():
                break
            try:
                if self._runtime.structure(_ALIVE_SECONDS) == config.structure:
                    self._runtime.old_workers()
                    return
            except PenstockError:
                pass
            time.sleep(0.02)
        tail = self._folder.log_tail(log_start)
        if "cannot bind" in tail or "in use" in tail:
            raise port_taken(self._settings.host, self._port, "another process listens there")
        raise PenstockError(Code.INTERNAL, f"the gateway does not start: {tail[-2000:] or 'it says nothing'}")

    def _reap(self) -> bool:
        """True if the master that we started ourselves has ended."""
        if self._child is None or not ended(self._child):
            return False
        self._child = None
        return True


def _state(server: RunningServer, active: int, asleep: Collection[str], crowds: Mapping[str, Crowd]) -> ServerState:
    """A server of a deployment that is asleep gets nothing new, but for what is in the queue already."""
    queued = crowds[server.backend].queued if server.backend in asleep and server.backend in crowds else 0
    return ServerState(
        up=server.up and not server.in_maintenance,
        draining=server.draining or server.in_maintenance or server.backend in asleep,
        active=active + queued,
    )

"""The serving process: an asyncio loop on the main thread, from the first connection to the end."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Callable

from penstock_worker.acceptor import Acceptor
from penstock_worker.connection import connections
from penstock_worker.failure import LoadError
from penstock_worker.listener import listen
from penstock_worker.logs import log
from penstock_worker.traffic import Traffic
from penstock_worker.turns import Turns

if TYPE_CHECKING:
    from penstock_worker.listener import Listener
    from penstock_worker.routes import Routes

_set_running_loop = asyncio._set_running_loop  # pyright: ignore[reportPrivateUsage]

_SWEEP_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_QUIET_SECONDS = 0.1
_LAST_TURNS = 5  # of the loop: accept, connect, register, read, answer


def serve(
    routes: Routes,
    listener: Listener,
    max_body_bytes: int,
    on_listening: Callable[[], None],
    each_second: Callable[[], None],
) -> None:
    """Answer requests until SIGTERM; calls `on_listening` once, and `each_second` before and then about so often.

    Must run on the main thread.
    """
    each_second()
    # Not asyncio.run(): a loop that is not the thread's current one leaves asyncio to the scripts.
    loop = _new_loop()
    try:
        _repeat(loop, each_second)
        loop.run_until_complete(_serve(routes, listener, max_body_bytes, on_listening))
    finally:
        loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where the environment has it: at 16 connections it made 1.46 times the predictions of asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(routes: Routes, listener: Listener, max_body_bytes: int, on_listening: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    traffic = Traffic(loop, routes.outermost, max_body_bytes)
    traffic.keeps = listener.keeps
    routes.scorer.later = loop.call_soon
    terminated = loop.create_future()

    def terminate(_signal: int, _frame: object) -> None:
        # A second signal ends the process at once, whatever run() is doing.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        traffic.stopping = True
        loop.call_soon_threadsafe(terminated.set_result, None)

    # Not loop.add_signal_handler(): its callbacks wait until run() has ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, terminate)
    server: Acceptor | Turns
    if listener.keeps:
        server = Acceptor(loop, listener.socket, connections(traffic))
    else:
        server = Turns(loop, listener.socket, connections(traffic), lambda: not traffic.open)
        traffic.left = server.look
    own = _listen_alone(listener)
    private = None if own is None else Acceptor(loop, own.socket, connections(traffic))
    on_listening()
    # Scripts may use asyncio.run() in run(), as they can where no loop runs in their thread. So what follows here uses
    # no part of asyncio that looks for the running loop.
    _set_running_loop(None)
    traffic.sweep_every(_SWEEP_SECONDS)
    await terminated
    if own is not None and private is not None:
        own.unlink()
        private.close()
    await _drain(traffic, listener, server)


def _listen_alone(listener: Listener) -> Listener | None:
    """For who wants this process and no other of the instance's; without it, it serves all the same."""
    if listener.alone is None:
        return None
    try:
        return listen(listener.alone)
    except LoadError as error:
        log.warning("%s", error.message)
        return None


def _repeat(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    def call() -> None:
        loop.call_later(_LOOK_SECONDS, call)
        function()

    loop.call_later(_LOOK_SECONDS, call)


async def _drain(traffic: Traffic, listener: Listener, server: Acceptor | Turns) -> None:
    """Answer what has been received, and return when the last connection is closed.

    1. Nobody new finds the socket. Since the signal, an answer closes its connection if nothing else is under way.
    2. For a moment, connections that wait in the backlog are accepted and what they sent is read.
    3. Idle connections are closed; the others end with their last answer, or by the sweeps.
    """
    log.info("stopping: %d connections are open", len(traffic.open))
    listener.unlink()
    await traffic.pause(_QUIET_SECONDS)
    if isinstance(server, Turns):
        server.accept_all()
    for _ in range(_LAST_TURNS):
        await traffic.pause(0)
    server.close()
    for connection in list(traffic.open):
        connection.finish()
    await traffic.emptied()

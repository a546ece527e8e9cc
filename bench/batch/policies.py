"""How processes that only compute are kept from delaying a server: what the scheduler of Linux offers, tried out.

One process that never sleeps for each core, in a session of its own as workers have one, under each policy in turn,
while a small server answers requests that come at random times. Linux shares processors between sessions first
(autogroups) and looks at nice values only within one, so a nice worker in its own session gives way to nobody unless
its session is nice, too.
"""

import contextlib
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import target as forms
from load import Loaded, Open
from target import Target

WORK = 20_000  # turns of a loop for each answer: under a millisecond


def _settled(nice: int = 0, session: int = 0, policy: int = os.SCHED_OTHER) -> Callable[[], None]:
    def settle() -> None:
        os.nice(nice)
        os.sched_setscheduler(0, policy, os.sched_param(0))
        with contextlib.suppress(OSError):  # kernels without autogroups
            Path("/proc/self/autogroup").write_text(str(session))

    return settle


POLICIES: dict[str, Callable[[], None] | None] = {
    "nothing runs": None,
    "as any process": _settled(),
    "nice 19": _settled(19),
    "SCHED_BATCH, nice 19": _settled(19, policy=os.SCHED_BATCH),
    "SCHED_IDLE": _settled(policy=os.SCHED_IDLE),
    **{f"nice 19, session nice {level}": _settled(19, level) for level in (5, 10, 15, 19)},
    "SCHED_BATCH, nice 19, session nice 19": _settled(19, 19, os.SCHED_BATCH),
    "SCHED_IDLE, session nice 19": _settled(0, 19, os.SCHED_IDLE),
}


def measured(policy: str, rate: int, seconds: int) -> tuple[Loaded, float]:
    """What the load has met, and how much of all cores the computing processes got."""
    with _server() as target, computing(POLICIES[policy]) as spent:
        body = target.body([], [0.0])
        Open(rate).run(target, body, 1)
        before, began = spent(), time.monotonic()
        loaded = Open(rate).run(target, body, seconds)
        share = (spent() - before) / (time.monotonic() - began) / (os.cpu_count() or 1)
    return loaded, share


@contextlib.contextmanager
def _server() -> Iterator[Target]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (sys.executable, str(Path(__file__).with_name("small_server.py")), str(port), str(WORK))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield Target(place=port, path="/", form=forms.data)
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def computing(settle: Callable[[], None] | None) -> Iterator[Callable[[], float]]:
    """A process for each core; yields how to ask for their seconds of the processor."""
    context = multiprocessing.get_context("fork")
    count = (os.cpu_count() or 1) if settle is not None else 0
    spent = context.Array("d", max(1, count))
    processes = [context.Process(target=_compute, args=(settle, spent, n), daemon=True) for n in range(count)]
    for process in processes:
        process.start()
    try:
        yield lambda: sum(spent)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _compute(settle: Callable[[], None], spent, number: int) -> None:
    os.setsid()
    settle()
    while True:
        for _ in range(20_000):
            pass
        spent[number] = time.process_time()

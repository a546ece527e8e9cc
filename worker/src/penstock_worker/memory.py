"""The limit on the process's private memory, and its rank when the host runs out of memory."""

from __future__ import annotations

import errno
import resource
from contextlib import suppress
from pathlib import Path

from penstock_worker.trace import chain

_VICTIM_SCORE = 500  # of 1000: the kernel ends an instance before the gateway or the control plane


def limit_memory(limit_bytes: int) -> None:
    """Let allocations beyond `limit_bytes` of private memory fail with MemoryError. The soft limit only: see `lift`."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def lift_limit() -> None:
    """Take the limit away, so that a process that hit it has the memory to say so."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def offer_to_kernel() -> None:
    """Rank the process before the platform's own when the kernel must end one for its memory. Best effort."""
    path = Path("/proc/self/oom_score_adj")
    with suppress(OSError, ValueError):
        if int(path.read_text(encoding="ascii")) < _VICTIM_SCORE:
            path.write_text(str(_VICTIM_SCORE), encoding="ascii")


def resident() -> tuple[int, int]:
    """Bytes of memory that the process occupies now and did at most; zeros where the system does not say."""
    found = {"VmRSS": 0, "VmHWM": 0}
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            name, _, amount = line.partition(":")
            if name in found:
                found[name] = int(amount.split()[0]) * 1024  # the kernel counts in units of 1024 bytes
    return found["VmRSS"], found["VmHWM"]


def ran_out(error: BaseException) -> bool:
    """True if `error` comes from an allocation that failed."""
    return any(
        isinstance(link, MemoryError) or (isinstance(link, OSError) and link.errno == errno.ENOMEM)
        for link in chain(error)
    )

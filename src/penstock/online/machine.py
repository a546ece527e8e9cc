"""What this machine, or the container that the platform runs in, has at this moment."""

import contextlib
from pathlib import Path

import psutil

from penstock.online.room import Machine

_CGROUP = Path("/sys/fs/cgroup")


def measure(cgroup: Path = _CGROUP) -> Machine:
    """Memory and cores, no more than a container's own limit leaves."""
    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    with contextlib.suppress(OSError, ValueError):  # "max", or no second version of control groups
        limit = int((cgroup / "memory.max").read_text())
        total = min(total, limit)
        available = min(available, max(0, limit - int((cgroup / "memory.current").read_text())))
    return Machine(memory_bytes=total, available_bytes=available, cores=psutil.cpu_count() or 1)

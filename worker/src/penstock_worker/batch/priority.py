"""Where a worker of a job stands among the processes of its machine: behind online deployments, and all others."""

from __future__ import annotations

import os
from pathlib import Path

_LEAST = 19  # of the process, among those of its session
_SESSION = 5  # of the session among others: a third of what any other one gets, so that a job still goes on
_AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Take what others leave of the processors, from now on.

    Where Linux shares processors between sessions first (autogroups, as most distributions have it), nice values count
    only among the processes of one session: the session is made nice, too. A session that others are in is left alone.
    """
    os.nice(_LEAST)
    if os.getsid(0) != os.getpid():
        return
    try:
        _AUTOGROUP.write_text(str(_SESSION))
    except OSError:
        return  # a kernel without them, or another system

"""A control plane that kills itself (SIGKILL) before or after a call: `crashing.py "after LocalEngine.start" ...`.

It crashes at the point that the file `armed` in its home names, at the first such call from then on; so that one
which was started anew after a crash serves until the next.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from penstock import server
from penstock.artifacts.files import FileArtifacts
from penstock.engines.local import LocalEngine
from penstock.environments.uv import UvEnvironments
from penstock.gateway.haproxy import HaproxyGateway
from penstock.online.fleet import Fleet
from penstock.online.keys import Keyring
from penstock.settings import from_environment
from penstock.store.sql import SqlStore

OWNERS = (FileArtifacts, LocalEngine, UvEnvironments, HaproxyGateway, Fleet, Keyring, SqlStore)


def arm(point: str) -> None:
    """Replace the named method by one that ends this process once the point is armed."""
    moment, _, name = point.partition(" ")
    class_name, _, method = name.partition(".")
    owner = next(c for c in OWNERS if c.__name__ == class_name)
    original = getattr(owner, method)
    mark = Path(os.environ["PENSTOCK_HOME"]) / "armed"

    def end_if_armed(now: str) -> None:
        if now == moment and mark.exists() and mark.read_text() == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def crashing(*args: Any, **kwargs: Any) -> Any:
        end_if_armed("before")
        done = original(*args, **kwargs)
        end_if_armed("after")
        return done

    setattr(owner, method, crashing)


if __name__ == "__main__":
    for point in sys.argv[1:]:
        arm(point)
    sys.exit(server.serve(from_environment()))

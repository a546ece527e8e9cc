"""A control plane that kills itself (SIGKILL) before or after a named call: `crashing.py after LocalEngine.start`.

It crashes only once the file `armed` lies in its home, at the first such call from then on.
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


def arm(moment: str, point: str) -> None:
    """Replace the named method by one that ends this process."""
    class_name, _, method = point.partition(".")
    owner = next(c for c in OWNERS if c.__name__ == class_name)
    original = getattr(owner, method)
    mark = Path(os.environ["PENSTOCK_HOME"]) / "armed"

    def crashing(*args: Any, **kwargs: Any) -> Any:
        if moment == "before" and mark.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        done = original(*args, **kwargs)
        if moment == "after" and mark.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, method, crashing)


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2])
    sys.exit(server.serve(from_environment()))

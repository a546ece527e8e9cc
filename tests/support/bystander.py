"""An endpoint that is asked all the while, and must notice nothing of what is done to others."""

from dataclasses import dataclass

from support.callers import Caller
from support.load import Load
from support.running import Platform


@dataclass(frozen=True)
class Bystander:
    load: Load
    caller: Caller
    pid: int

    def check(self, platform: Platform) -> None:
        """The same process has answered every request, and the control plane has met no surprise."""
        assert self.caller.score().json()["pid"] == self.pid
        self.load.wait_for(3)
        assert not self.load.failures(), self.load.summary()
        log = (platform.home / "logs" / "server.log").read_text()
        assert "Traceback" not in log, log[max(0, log.index("Traceback") - 500) :][:3000]

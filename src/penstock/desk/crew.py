"""Worker processes that serve one state of the code, from their start to their end."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from penstock.commands import tied
from penstock_worker import contract

_GRACE_SECONDS = 10.0
_LOOK = 0.02


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Member:
    """How each process is started. `listening` is the descriptor of the socket that all of them serve."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    listening: int


class Crew:
    """Some processes that are alike. `reports` is a folder for their reports, theirs alone."""

    def __init__(self, member: Member, count: int, reports: Path) -> None:
        reports.mkdir(mode=0o700)
        self._reports = [reports / f"{number}.json" for number in range(count)]
        self._processes = [_start(member, report) for report in self._reports]

    @property
    def phase(self) -> Phase:
        """READY once all are; FAILED once one has ended."""
        if any(process.poll() is not None for process in self._processes):
            return Phase.FAILED
        found = [contract.read_report(report) for report in self._reports]
        ready = all(report is not None and report.phase == contract.READY for report in found)
        return Phase.READY if ready else Phase.STARTING

    @property
    def notices(self) -> Sequence[str]:
        """What the author should know, as the first of them tells it."""
        report = contract.read_report(self._reports[0])
        return () if report is None else report.notices

    def end(self) -> None:
        """Let each finish what it has received, and return when all are gone."""
        for process in self._processes:
            process.terminate()
        give_up_at = time.monotonic() + _GRACE_SECONDS
        while any(process.poll() is None for process in self._processes) and time.monotonic() < give_up_at:
            time.sleep(_LOOK)
        for process in self._processes:
            process.kill()
            process.wait()


def _start(member: Member, report: Path) -> "subprocess.Popen[bytes]":
    environment = {
        **member.environment,
        contract.LISTEN: f"{contract.INHERITED}:{member.listening}",
        contract.REPORT: str(report),
    }
    return subprocess.Popen(
        tied(member.argv), cwd=member.folder, env=environment, pass_fds=[member.listening], restore_signals=True
    )

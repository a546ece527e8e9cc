"""The report of this process's start, written anew whenever there is more to say."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from penstock_worker import contract, memory
from penstock_worker.contract import Report, write_report
from penstock_worker.logs import log, write_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock_worker.failure import LoadError
    from penstock_worker.trial import Tried

_LONGEST_TRACEBACK = 64 * 1024  # characters, from its end
_LONGEST_MESSAGE = 8 * 1024


def refuse(environ: Mapping[str, str], failure: LoadError) -> NoReturn:
    """End the process, as its settings cannot be understood."""
    path = environ.get(contract.REPORT)
    Progress(Path(path).absolute() if path else None).fail(failure)


class Progress:
    """Tells how far the start is. `path` None: nobody wants to know."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._began = time.monotonic()
        self._report = Report(contract.LOADING, os.getpid())
        self._write()

    def loaded(self) -> None:
        """The model is loaded; nothing has been tried yet."""
        resident, peak = memory.resident()
        seconds = time.monotonic() - self._began
        self._report = replace(self._report, load_seconds=seconds, memory_bytes=resident, peak_memory_bytes=peak)

    def trying(self, sample: str) -> None:
        self._report = replace(self._report, sample=sample)
        self._write()

    def tried(self, outcome: Tried) -> None:
        """What became of the sample; without seconds, no prediction was made."""
        resident, peak = memory.resident()
        self._report = replace(
            self._report,
            sample=self._report.sample if outcome.seconds else "",
            sample_seconds=outcome.seconds,
            notices=outcome.notices,
            memory_bytes=resident,
            peak_memory_bytes=peak,
        )

    def proven(self, batch_requests: int, notice: str) -> None:
        """How many requests may be run together, and why that is not more."""
        notices = (*self._report.notices, notice) if notice else self._report.notices
        self._report = replace(self._report, batch_requests=batch_requests, notices=notices)

    def tell(self) -> None:
        """To the parent, which waits for all of its members."""
        self._write()

    def path_of(self, member: int) -> Path | None:
        """Where one of several processes writes its own report."""
        return None if self._path is None else self._path.with_name(f"{self._path.name}.{member}")

    def ready_with(self, members: Sequence[Report]) -> None:
        """All members are ready: the report is the first one's, with the memory of all."""
        if members:
            self._report = replace(
                members[0],
                pid=self._report.pid,
                load_seconds=max(member.load_seconds for member in members),
                memory_bytes=sum(member.memory_bytes for member in members),
                peak_memory_bytes=sum(member.peak_memory_bytes for member in members),
            )
        self.ready()

    def ready(self) -> None:
        self._report = replace(self._report, phase=contract.READY)
        self._write()
        log.info("ready after %.1f s", time.monotonic() - self._began)

    def fail(self, failure: LoadError) -> NoReturn:
        """Say why, and end the process: at once, for a thread that init() left running must not keep it alive."""
        self._report = replace(
            self._report,
            phase=contract.FAILED,
            reason=failure.reason,
            message=failure.message[:_LONGEST_MESSAGE],
            traceback=failure.traceback[-_LONGEST_TRACEBACK:],
        )
        self._write()
        log.error("%s: %s", failure.reason, failure.message)
        write_error(failure.traceback)
        os._exit(contract.EXIT_CANNOT_LOAD)

    def _write(self) -> None:
        if self._path is None:
            return
        try:
            write_report(self._path, self._report)
        except OSError as error:
            # Serving matters more than saying so; whoever waits for the report sees the process and its log.
            log.error("the report %r cannot be written to %s: %s", self._report.phase, self._path, error)

"""Following a job to its end: its progress in one line, its user's errors when it has failed."""

import sys
import time
from typing import TYPE_CHECKING, TextIO

from penstock.cli import batch_shapes
from penstock.cli.command import Outcome
from penstock.cli.errors import INTERRUPTED, notice
from penstock.cli.progress import Progress
from penstock.domain.errors import PenstockError

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.resources import RemoteJob

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0  # seconds between two looks: small jobs are soon over
_ENDED = ("Completed", "Failed", "Canceled")
_LAST_LINES = 40  # of the errors of the user's code


class Line:
    """A line that is written again and again in its place on a terminal, and once for each change elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._told = ""
        self._open = False

    def write(self, text: str) -> None:
        if text == self._told:
            return
        self._told = text
        if self._stream.isatty():
            self._stream.write(f"\r\x1b[K{''.join(c if c.isprintable() else ' ' for c in text)}")
            self._open = True
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def end(self) -> None:
        """Let what comes next begin on a line of its own."""
        if self._open:
            self._stream.write("\n")
            self._stream.flush()
        self._open, self._told = False, ""


def followed(client: "Client", job: "RemoteJob") -> Outcome:
    """The job once it is over: exit code 0 if it is completed, 1 if not. Ctrl-C ends the following, not the job."""
    line, progress = Line(), Progress()
    try:
        job = _to_the_end(client, job, line, progress)
    except KeyboardInterrupt:
        line.end()
        notice(
            f"job {job.name} goes on: follow it with `penstock job stream -n {job.name}`, end it with "
            f"`penstock job cancel -n {job.name}`"
        )
        return Outcome(None, INTERRUPTED)
    row = batch_shapes.job(job)
    if row["status"] == "Failed":
        _tell_why(client, job)
    return Outcome(row, 0 if row["status"] == "Completed" else 1)


def _to_the_end(client: "Client", job: "RemoteJob", line: Line, progress: Progress) -> "RemoteJob":
    from penstock.client.waiting import news

    seen, pause = (), _FIRST_PAUSE
    while True:
        for condition in news(seen, job, job.status.observed_generation):
            line.end()
            progress(condition)
        seen = job.status.conditions
        row = batch_shapes.job(job)
        line.write(batch_shapes.progress_line(row))
        if row["status"] in _ENDED:
            line.end()
            return job
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, 1.5 * pause)
        job = client.jobs.get(job.name)


def _tell_why(client: "Client", job: "RemoteJob") -> None:
    """The traceback of the user's own code, and the end of what it said of its errors."""
    if job.status.message:
        notice(f"error: job {job.name}: {job.status.message}")
    if job.status.failure:
        notice(job.status.failure.rstrip())
    try:
        errors = client.jobs.log(job.name).text.rstrip()
    except PenstockError:  # the job is what matters
        errors = ""
    if errors and errors not in (job.status.failure or ""):
        notice("user/error.txt:")
        notice("\n".join(f"  {line}" for line in errors.splitlines()[-_LAST_LINES:]))
    notice(f"next: penstock job download -n {job.name} --all")

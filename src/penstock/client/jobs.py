"""Jobs: what can be asked of them, and the files that they wrote."""

from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote

from penstock.client.resources import Answer, AppliedJob, RemoteJob, understood, understood_items
from penstock.client.transport import Transport, segment
from penstock.domain.errors import invalid
from penstock.domain.job import Job

_ROOT = "/jobs"

Verb = Literal["cancel", "resume", "archive", "restore"]
Place = Literal["outputs", "logs"]


class RemoteFile(Answer):
    """A file of a job. `modified_ns` tells a changed one from what was downloaded before."""

    path: str
    size: int
    modified_ns: int


class LogText(Answer):
    """Lines of a log; `after` is where to go on."""

    path: str
    text: str
    after: int
    files: tuple[RemoteFile, ...] = ()


class _Files(Answer):
    files: tuple[RemoteFile, ...]


class Jobs:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, name: str) -> RemoteJob:
        return understood(RemoteJob, self._transport.get(_path(name)))

    def list(
        self,
        *,
        endpoint: str | None = None,
        archived_only: bool = False,
        include_archived: bool = False,
        limit: int | None = None,
    ) -> list[RemoteJob]:
        """The newest first."""
        query = {
            "endpoint": endpoint,
            "archived_only": archived_only or None,
            "include_archived": include_archived or None,
            "limit": limit,
        }
        return understood_items(RemoteJob, self._transport.get(_ROOT, query))

    def command(self, name: str, verb: Verb) -> AppliedJob:
        """Cancel, resume, archive or restore a job; repeating it changes nothing more."""
        return understood(AppliedJob, self._transport.post(f"{_path(name)}/{verb}"))

    def describe(self, job: Job, *, if_match: int | None = None) -> AppliedJob:
        """Change what is said of a job: its tags, names and description; `conflict` for anything else."""
        if job.name is None:
            raise invalid("the job has no name")
        content = job.model_dump_json().encode()
        return understood(AppliedJob, self._transport.put(_path(job.name), content, if_match=if_match))

    def log(self, name: str, *, path: str = "user/error.txt", after: int = 0) -> LogText:
        """The lines of one of the job's logs from byte `after` on, and which logs there are."""
        return understood(LogText, self._transport.get(f"{_path(name)}/logs", {"path": path, "after": after}))

    def files(self, name: str, place: Place) -> tuple[RemoteFile, ...]:
        """What the job wrote on the platform's machine (as OUTPUT/PATH), or its logs.

        Raises `conflict` for outputs that lie on other machines, saying where.
        """
        if place == "logs":
            return self.log(name).files
        return understood(_Files, self._transport.get(f"{_path(name)}/outputs")).files

    def content(self, name: str, place: Place, path: str) -> Iterator[bytes]:
        """A file of the job, in pieces."""
        return self._transport.stream(f"{_path(name)}/{place}/{quote(path)}")


def _path(name: str) -> str:
    return f"{_ROOT}/{segment(name)}"

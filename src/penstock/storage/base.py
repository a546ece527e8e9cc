"""The port for data to score and places for predictions: folders and files, of this machine and elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """A file of an input. `name` is its path below what was listed; `version` changes when its content does: of local
    files the time of the last change in nanoseconds, of others `etag:...`, `generation:...` or `modified:...`.

    `size` is -1 where a web server does not say it.
    """

    uri: str  # of local files their absolute path
    name: str
    size: int
    version: str


class Storage(Protocol):
    """Looks at data; never moves it. Calls may come from any thread."""

    def list(self, uri: str, kind: str) -> Sequence[StoredFile]:
        """The file of a `uri_file`, or those in a `uri_folder` and below, sorted by the bytes of their names.

        `*`, `?`, `[...]` and `**` are understood, but for what exists under that very name. Passed over is what Spark
        passes over: names that begin with `.` or `_` (but `_column=value`), checksums, folder markers. A folder without
        files is an empty list.

        Raises `not_found` if there is nothing of that name or nothing matches, `denied` where the credentials do not
        open it, `invalid` for a scheme that nothing here reads and for what is not of that kind, `unavailable` if the
        other machine does not answer; each names the URI and the remedy.
        """
        ...

    def local_path(self, uri: str) -> Path | None:
        """Where that is on this machine; None if it is elsewhere. Raises `invalid` for what is no URI."""
        ...

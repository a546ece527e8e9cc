"""The port for data to score and places for predictions: folders and files, of this machine and elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """`name` is its path below what was listed; `version` tells it from a changed one: the time in nanoseconds of a
    local file, else an ETag or the like."""

    uri: str
    name: str
    size: int
    version: str


class Storage(Protocol):
    """Looks at data; never moves it. Calls may come from any thread."""

    def list(self, uri: str, kind: str) -> Sequence[StoredFile]:
        """The files of a `uri_file`, or below a `uri_folder`, by name; globs are fine.

        Hidden files and marks such as `_SUCCESS` are left out. Raises `not_found`, `denied`, or `invalid` for a scheme
        that nothing here reads, naming the URI and the remedy.
        """
        ...

    def local_path(self, uri: str) -> Path | None:
        """Where that is on this machine; None if it is elsewhere. Raises `invalid` for what is no URI."""
        ...

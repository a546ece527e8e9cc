"""Which final files of a job there are, as its folder tells, and how they are taken back.

`batch/publication.py` makes them. Used by the platform as well, which takes back what workers of a job that is canceled
have published. Standard library only.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

OWN = ".penstock-"  # begins the name of the folder in which a job makes its files
_PUBLISHED, _SETTLED = "published.jsonl", "settled"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Entry(NamedTuple):
    """A final file, by its path in the output folder."""

    name: str
    size: int
    modified_ns: int
    inode: int


class Published:
    """The record in `work`, a job's folder, of the files that the job has made in the folder `output`."""

    def __init__(self, work: Path, job: str, output: Path, beat: Callable[[], None] = lambda: None) -> None:
        self.record = work / _PUBLISHED
        self.new_record = work / f".{_PUBLISHED}.new"
        self.settled = work / _SETTLED
        self.staging = output / f"{OWN}{job}"
        self._output = output
        self._beat = beat

    @property
    def made_of(self) -> str:
        """The fingerprint of what the files were made of; empty if there are none."""
        return self._head()[0]

    @property
    def is_settled(self) -> bool:
        """True if all of them are on disk."""
        try:
            return self.settled.read_text() == self.made_of
        except FileNotFoundError:
            return False

    @property
    def may_be_lost(self) -> bool:
        """True if the machine has been started again before they were on disk."""
        return not self.is_settled and self._head()[1] != boot()

    def entries(self) -> Iterator[Entry]:
        try:
            with open(self.record, encoding="ascii") as file:
                next(file, None)
                for line in file:
                    yield Entry(*json.loads(line))
        except FileNotFoundError:
            return

    def withdraw(self) -> None:
        """Take back all files of the job, made or published. May be repeated. Raises OSError."""
        lost = self.may_be_lost
        for entry in self.entries():
            if is_entry(self._output / entry.name, entry, lost=lost):
                os.unlink(self._output / entry.name)
                self._remove_folders(entry.name)
            self._beat()
        self.clear()
        self.new_record.unlink(missing_ok=True)
        self.settled.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the folder that files are made in. Links are removed, not followed."""
        for folder, folders, files in os.walk(self.staging, topdown=False):
            for file in files:
                os.unlink(os.path.join(folder, file))
                self._beat()
            for inner in folders:
                path = os.path.join(folder, inner)
                (os.unlink if os.path.islink(path) else os.rmdir)(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            self.staging.rmdir()

    def _head(self) -> tuple[str, str]:
        """What the files are made of, and in which run of the machine they were published."""
        with suppress(OSError, ValueError), open(self.record, encoding="ascii") as file:
            made_of, run = json.loads(file.readline())
            return made_of, run
        return "", ""

    def _remove_folders(self, name: str) -> None:
        """The folders of a file that was taken back, as far as nothing else is in them."""
        for folder in list(Path(name).parents)[:-1]:
            try:
                (self._output / folder).rmdir()
            except OSError:
                return


def boot() -> str:
    """Tells this run of the machine from others: what was written since its start is there, on disk or not."""
    try:
        return _BOOT.read_text().strip()
    except FileNotFoundError:
        return ""


def is_entry(path: Path, entry: Entry, *, lost: bool = False) -> bool:
    """True if the file of the entry lies at `path`. `lost`: the machine has been started again, and it may have less in
    it than it had."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if lost and found.st_ino == entry.inode and found.st_size <= entry.size:
        return stat.S_ISREG(found.st_mode)
    return stat.S_ISREG(found.st_mode) and (found.st_size, found.st_mtime_ns) == entry[1:3]

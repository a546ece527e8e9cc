"""How final files come into the output folder: made aside, then given their names, whatever is killed in between.

1. All files are made in `.penstock-JOB/` inside the output folder.
2. `published.jsonl` in the job's own folder tells their names, with size and time: from then on they are the output.
3. Each is linked to its name, which fails if the name is taken, and unlinked from where it was made.
4. The folder they were made in is removed. `published.jsonl` stays for as long as the job's folder does.
5. All is flushed to disk, and `settled` beside `published.jsonl` says so.

Killed before 2, the next try begins anew. Killed after it, the next try does what is left. If the machine has been
started again between 2 and 5, what is in the output folder may be less than it was: it is made anew, out of parts that
were on disk before. The job's folder tells files of ours from other people's: only the former are taken back.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from penstock_worker.batch.copying import copy
from penstock_worker.batch.flushing import Flush
from penstock_worker.batch_contract import flush_folder, write_text
from penstock_worker.published import Entry, Published, boot, is_entry


class OutputExistsError(Exception):
    """A name in the output folder is taken, by nothing of this job."""


class Publication:
    """The final files of one job. `fingerprint` tells what they are made of."""

    def __init__(self, work: Path, job: str, output: Path, fingerprint: str, beat: Callable[[], None]) -> None:
        self._published = Published(work, job, output, beat)
        self._output = output
        self._staging = self._published.staging
        self._fingerprint = fingerprint
        self._beat = beat
        self._mode = 0o600  # of final files

    def complete(self) -> bool:
        """Finish what an earlier try has begun; True if all files are in their places then. What cannot be finished,
        or was made of something else, is taken back."""
        if self._published.record.exists():
            if self._is_whole() and self._publish():
                return True
            self.withdraw()
        self._published.clear()
        return False

    def begin(self) -> None:
        """Make room for new files."""
        if not self._output.is_dir():
            try:
                self._output.mkdir(parents=True)
            except (FileExistsError, NotADirectoryError):
                raise OutputExistsError(f"the output folder {self._output} cannot be made: there is a file") from None
        self._published.settled.unlink(missing_ok=True)
        self._staging.mkdir()
        # As whoever runs this wants files to be: the bits of his umask show in what was just made.
        self._mode = stat.S_IMODE(self._staging.stat().st_mode) & 0o666

    def claim(self, names: Iterable[str]) -> Path:
        """Where the file is to be made that will have the first of `names` that no other file of the job has.

        Nothing is there yet. Raises OutputExistsError.
        """
        for name in names:
            place = self._staging / name
            # Names in use are told by the folder itself: there may be a hundred thousand of them.
            with suppress(FileExistsError, NotADirectoryError):
                place.parent.mkdir(parents=True, exist_ok=True)
                if not os.path.lexists(place):
                    self._look_for(name)
                    return place
        raise FileExistsError(f"all names are taken in {self._staging}")

    def link(self, part: Path, place: Path) -> None:
        """Have a file of one part, which is on disk, at `place`."""
        try:
            os.link(part, place)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            with open(part, "rb", buffering=0) as source, open(place, "xb", buffering=0) as target:
                copy(source.fileno(), 0, os.fstat(source.fileno()).st_size, target.fileno(), self._beat)
        os.chmod(place, self._mode)

    def publish(self) -> None:
        """Give all files their names. Raises OutputExistsError if somebody else has taken one since it was claimed."""
        self._write_record()
        self._publish()

    def settle(self) -> None:
        """Have all files on disk, which may take long; then the job's parts are of no use any more.

        Raises OSError, and ValueError if nothing has been published.
        """
        if self._published.is_settled:
            return
        if not self._is_whole():
            raise ValueError(f"the files of this job are not in {self._output}")
        flush = Flush(self._output)
        for folder in (self._output.parent, self._output):
            if os.access(folder, os.R_OK):
                flush.note(folder)
        for entry in self._published.entries():
            final = self._output / entry.name
            flush.note(final)
            for folder in list(Path(entry.name).parents)[:-1]:
                flush.note(self._output / folder)
            self._beat()
        flush.done(self._beat)
        write_text(self._published.settled, self._fingerprint)

    def withdraw(self) -> None:
        """Take back all files of the job, made or published."""
        self._published.withdraw()

    def _is_whole(self) -> bool:
        """True if what was published is made of the same, and all of it is where it was put."""
        return self._published.made_of == self._fingerprint and not self._published.may_be_lost

    def _look_for(self, name: str) -> None:
        """Raise OutputExistsError if `name`, or a file or link in place of one of its folders, is in the output."""
        pieces = name.split("/")
        for count in range(1, len(pieces) + 1):
            path = self._output.joinpath(*pieces[:count])
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                return
            if count == len(pieces) or not stat.S_ISDIR(mode):
                raise OutputExistsError(
                    f"the output folder has {'/'.join(pieces[:count])} already ({path}); remove it, or invoke the job "
                    "with another --output-path or output_file_name"
                )

    def _write_record(self) -> None:
        published = self._published
        with open(published.new_record, "w", encoding="ascii") as file:
            file.write(json.dumps((self._fingerprint, boot())) + "\n")
            for place in _files(self._staging):
                found = os.lstat(place)
                name = os.path.relpath(place, self._staging)
                file.write(json.dumps(Entry(name, found.st_size, found.st_mtime_ns, found.st_ino)) + "\n")
                self._beat()
            file.flush()
            os.fsync(file.fileno())
        os.replace(published.new_record, published.record)
        flush_folder(published.record.parent)

    def _publish(self) -> bool:
        """False: a file is neither made nor published."""
        for entry in self._published.entries():
            place, final = self._staging / entry.name, self._output / entry.name
            if os.path.lexists(place):
                self._put(place, final, entry.name)
            elif not is_entry(final, entry):
                return False
            self._beat()
        self._published.clear()
        return True

    def _put(self, place: Path, final: Path, name: str) -> None:
        if os.path.lexists(final) and os.path.samestat(os.lstat(place), os.lstat(final)):
            os.unlink(place)
            return
        self._look_for(name)
        self._make_folders(final.parent)
        try:
            os.link(place, final)
        except FileExistsError:
            self._look_for(name)
            raise
        except OSError:  # a file system without links
            os.rename(place, final)
        else:
            os.unlink(place)

    def _make_folders(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folders(folder.parent)
            with suppress(FileExistsError):
                folder.mkdir()


def _files(folder: Path) -> Iterator[str]:
    for inner, _, files in os.walk(folder):
        for file in files:
            yield os.path.join(inner, file)

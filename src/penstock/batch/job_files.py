"""Files of a job that its user may have: what it wrote, and its logs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from penstock.batch.places import JobPlaces
from penstock.control.resources import Resources
from penstock.domain.errors import conflict, not_found
from penstock.domain.job import JOB, Job, JobStatus
from penstock.domain.resource import Frozen, Resource

_MOST_FILES = 100_000
_MOST_DEPTH = 50
_LOG_BYTES = 1024 * 1024  # of one answer


class JobFile(Frozen):
    """`path` is below the job's outputs or logs, with `/`."""

    path: str
    size: int
    modified_ns: int


class LogText(Frozen):
    """Lines of a log. `after` is where to go on; it is the same again while there is nothing new."""

    path: str
    text: str
    after: int
    files: tuple[JobFile, ...]  # all logs of the job


class JobFiles:
    def __init__(self, resources: Resources, places: JobPlaces) -> None:
        self._resources = resources
        self._places = places

    def outputs(self, name: str) -> Sequence[JobFile]:
        """What a job has written, as OUTPUT/PATH. Raises `not_found`; `conflict` if it lies on other machines, for
        names that are no text, and for more files than an answer has: without the rest it would look complete."""
        job = self._resources.get(JOB, name)
        found: list[JobFile] = []
        for output, folder in self._output_folders(job).items():
            files = _listed(folder, _MOST_FILES + 1)
            if len(files) > _MOST_FILES:
                raise conflict(
                    f"output {output!r} of job {name!r} has more than {_MOST_FILES:,} files: copy them from {folder}"
                )
            for file in files:
                if not _is_text(file.path):
                    raise conflict(
                        f"output {output!r} of job {name!r} has a file {file.path!a}, whose name is not UTF-8: "
                        f"copy the files from {folder}"
                    )
            found += [file.model_copy(update={"path": f"{output}/{file.path}"}) for file in files]
        return found

    def open_output(self, name: str, path: str) -> BinaryIO:
        """Raises `not_found` for whatever is no file of the job's outputs."""
        output, _, rest = path.partition("/")
        folder = self._output_folders(self._resources.get(JOB, name)).get(output)
        if folder is None:
            raise not_found(f"job {name!r} has no output {output!r}")
        return _opened(folder, rest, f"output of job {name!r}")

    def log(self, name: str, path: str, after: int) -> LogText:
        """The lines of a log from byte `after` on, none if there is no such log yet."""
        folder = self._places.logs(self._resources.get(JOB, name).name)
        files = tuple(_listed(folder))
        if path not in {file.path for file in files}:
            return LogText(path=path, text="", after=after, files=files)
        with _opened(folder, path, f"log of job {name!r}") as file:
            file.seek(after)
            content = file.read(_LOG_BYTES)
        whole = content[: content.rfind(b"\n") + 1] or (content if len(content) == _LOG_BYTES else b"")
        return LogText(path=path, text=whole.decode("utf-8", "replace"), after=after + len(whole), files=files)

    def open_log(self, name: str, path: str) -> BinaryIO:
        """Raises `not_found` for whatever is no log of the job."""
        return _opened(self._places.logs(self._resources.get(JOB, name).name), path, f"log of job {name!r}")

    def _output_folders(self, job: Resource[Job, JobStatus]) -> dict[str, Path]:
        """Where each output lies on this machine; before the job is completed, in its own folder."""
        if job.spec.output_path is None:
            own = self._places.outputs(job.name)
            folders = (Path(entry.path) for entry in (os.scandir(own) if own.is_dir() else ()) if _is_folder(entry))
            return {folder.name: folder for folder in folders}
        found: dict[str, Path] = {}
        for name, uri in job.status.outputs.items():
            local = _local(uri)
            if local is None:
                raise conflict(f"job {job.name!r} wrote its output {name!r} to {uri}: get it from there")
            found[name] = local
        return found


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")


def _local(uri: str) -> Path | None:
    if uri.startswith("file:"):
        return Path(unquote(urlsplit(uri).path))
    return Path(uri) if uri.startswith("/") else None


def _listed(folder: Path, most: int = _MOST_FILES) -> Sequence[JobFile]:
    """The files below `folder` by their paths, `most` at most; not those still being written, and no links."""
    return sorted(islice(_walked(folder, "", _MOST_DEPTH), most), key=lambda file: file.path)


def _walked(folder: Path, prefix: str, depth: int) -> Iterator[JobFile]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # it is not there (yet)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = f"{prefix}{entry.name}"
        if _is_folder(entry) and depth:
            yield from _walked(Path(entry.path), f"{path}/", depth - 1)
        elif entry.is_file(follow_symlinks=False):
            with suppress(OSError):  # renamed meanwhile
                found = entry.stat(follow_symlinks=False)
                yield JobFile(path=path, size=found.st_size, modified_ns=found.st_mtime_ns)


def _opened(folder: Path, path: str, what: str) -> BinaryIO:
    """A file below `folder`. No part of the way is followed if it is a link: links may lead anywhere."""
    *folders, last = path.split("/")
    missing = not_found(f"there is no {what} named {path[:200]!r}")
    if any(part in ("", ".", "..") or "\0" in part for part in (*folders, last)):
        raise missing
    try:
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in folders:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                os.close(here)
                here = below
            file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
        finally:
            os.close(here)
    except (OSError, ValueError):
        raise missing from None
    if not S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise missing
    return open(file, "rb")

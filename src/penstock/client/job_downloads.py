"""Files of a job on the user's disk: each is whole or not there; what is there as it is now is not fetched again."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from penstock import durable
from penstock.client.artifacts import OnBytes
from penstock.client.downloads import UNFINISHED, make_folders
from penstock.client.jobs import RemoteFile
from penstock.client.refusals import refusals_named
from penstock.domain.errors import invalid, unavailable


def fetch_below(
    folder: Path, files: Iterable[RemoteFile], content: Callable[[str], Iterator[bytes]], on_bytes: OnBytes
) -> int:
    """Have `files` below `folder`; how many had to be fetched. A file that has its size and time is left alone.

    Raises `invalid` for paths that lead out of the folder, by themselves or through links that lie there;
    `unavailable` for a full disk, and for a file that changed while it was fetched.
    """
    wanted = list(files)
    total, done, fetched = sum(file.size for file in wanted), 0, 0

    def counted(chunks: Iterator[bytes], before: int) -> Iterator[bytes]:
        for chunk in chunks:
            before += len(chunk)
            on_bytes(before, total)
            yield chunk

    with refusals_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with durable.only_one_below(folder):
            for left in folder.glob(f"{UNFINISHED}*"):  # by one that was killed
                left.unlink()
            for file in wanted:
                if not _is_there(folder, file):
                    _place(folder, file, counted(content(file.path), done))
                    fetched += 1
                done += file.size
                on_bytes(done, total)
    return fetched


def _place(folder: Path, file: RemoteFile, chunks: Iterator[bytes]) -> None:
    if "\0" in file.path or not {"", ".", ".."}.isdisjoint(file.path.split("/")):
        raise invalid(f"the platform names a file {file.path[:200]!a}, which no folder can hold")
    target = folder / file.path
    make_folders(folder, target.parent)
    with durable.new_file(folder, UNFINISHED) as (path, descriptor):
        size = 0
        for chunk in chunks:
            size += len(chunk)
            durable.write_all(descriptor, chunk)
        if size != file.size:
            raise unavailable(f"file {file.path!r} changed while it was fetched; try again")
        os.utime(descriptor, ns=(file.modified_ns, file.modified_ns))
        os.replace(path, target)


def _is_there(folder: Path, file: RemoteFile) -> bool:
    path = folder / file.path
    if path.is_symlink() or not path.is_file():
        return False
    found = path.stat()
    return (found.st_size, found.st_mtime_ns) == (file.size, file.modified_ns)

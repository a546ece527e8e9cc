"""Files of a tree on the user's disk: each checked, then renamed into its place."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from penstock import durable
from penstock.client.artifacts import Contents, OnBytes
from penstock.client.refusals import refusals_named
from penstock.domain.artifact import Entry, Tree, check_tree
from penstock.domain.errors import invalid, unavailable

UNFINISHED = ".penstock-"  # how the names of files begin that are being written; they lie in the folder itself


def write_below(folder: Path, tree: Tree, content: Contents, on_bytes: OnBytes) -> None:
    """Have the files of `tree` below `folder`. What is there with the right content stays, other content is replaced.

    Nothing is seen under its own name before it is whole and has its digest. Raises `invalid` for paths that lead
    out of the folder, by themselves or through links that lie there, and for a folder in a file's place;
    `unavailable` for a full disk.
    """
    entries = check_tree(tree).entries
    total, done = sum(entry.size for entry in entries), 0
    with refusals_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with durable.only_one_below(folder):
            for left in folder.glob(f"{UNFINISHED}*"):  # by one that was killed
                left.unlink()
            for entry in entries:
                _place(folder, entry, content)
                done += entry.size
                on_bytes(done, total)


def checked(entry: Entry, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """`chunks` as they come. Raises `unavailable` if they are not what `entry` says, before there are more of them."""
    size, sha256 = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        if size > entry.size:
            break
        sha256.update(chunk)
        yield chunk
    if size != entry.size or sha256.hexdigest() != entry.sha256:
        raise unavailable(f"file {entry.path!r} arrived damaged: its SHA-256 is not {entry.sha256}; try again")


def _place(folder: Path, entry: Entry, content: Contents) -> None:
    file = folder / entry.path
    make_folders(folder, file.parent)
    if _is_there(entry, file):
        return
    with durable.new_file(folder, UNFINISHED) as (path, descriptor):
        for chunk in checked(entry, content(entry.sha256)):
            durable.write_all(descriptor, chunk)
        if entry.executable:
            os.fchmod(descriptor, 0o700)
        os.replace(path, file)


def make_folders(root: Path, folder: Path) -> None:
    """`folder` and what lies between it and `root`. A link there may lead anywhere."""
    if folder == root:
        return
    make_folders(root, folder.parent)
    if folder.is_symlink():
        raise invalid(f"{folder} is a link: remove it, or download elsewhere")
    folder.mkdir(exist_ok=True)


def _is_there(entry: Entry, file: Path) -> bool:
    if file.is_symlink() or not file.is_file():
        return False
    found = file.stat()
    if found.st_size != entry.size or bool(found.st_mode & stat.S_IXUSR) != entry.executable:
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == entry.sha256

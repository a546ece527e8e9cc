"""The files of this machine, listed without any driver: a hundred thousand take less than a second."""

import errno
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from penstock.domain.errors import Code, PenstockError, invalid, not_found
from penstock.storage.base import StoredFile
from penstock.storage.patterns import Pattern, split
from penstock.storage.uris import is_local, local_path


class LocalStorage:
    """See `Storage`."""

    def list(self, uri: str, kind: str) -> Sequence[StoredFile]:
        return _listed(local_path(uri), kind)

    def local_path(self, uri: str) -> Path | None:
        return Path(local_path(uri)) if is_local(uri) else None


def _listed(path: str, kind: str) -> Sequence[StoredFile]:
    status = _status(path)
    if status is None:
        return _matching(path, kind)
    if S_ISREG(status.st_mode):
        return [_stored(path, os.path.basename(path.rstrip("/")), status)]
    if not S_ISDIR(status.st_mode):
        raise invalid(f"{path} is neither a file nor a folder")
    if kind == "uri_file":
        raise invalid(f"{path} is a folder: give the type uri_folder")
    return _Walk(path, Pattern("", deep=True)).files()


def _matching(path: str, kind: str) -> Sequence[StoredFile]:
    folder, glob = split(path)
    if not glob:
        raise not_found(f"{path} does not exist on the platform's machine: check the path")
    if _status(folder or "/") is None:
        raise not_found(f"{path} matches nothing: {folder} does not exist on the platform's machine")
    found = _Walk(folder or "/", Pattern(glob, deep=kind != "uri_file")).files()
    if not found:
        raise not_found(f"{path} matches no file; names that begin with '.' or '_' are passed over")
    return found


class _Walk:
    """Through a folder. Links to files are followed; links to folders too, each folder once, after the folders that
    really lie here: so that loops end and nothing is listed twice."""

    def __init__(self, base: str, pattern: Pattern) -> None:
        self._base = base.rstrip("/")
        self._pattern = pattern
        self._seen: set[tuple[int, int]] = set()
        self._links: list[str] = []
        self._files: list[StoredFile] = []

    def files(self) -> Sequence[StoredFile]:
        self._enter("")
        while self._links:
            links, self._links = sorted(self._links, reverse=True), []
            while links:
                self._enter(links.pop())
        return sorted(self._files, key=lambda file: os.fsencode(file.name))

    def _enter(self, name: str) -> None:
        """All real folders from `name` on, without recursion, as deep as they may be."""
        folders = [name]
        while folders:
            inner = folders.pop()
            path = f"{self._base}/{inner}"
            with _named(path), suppress(FileNotFoundError):  # removed just now
                status = os.stat(path)
                if (status.st_dev, status.st_ino) in self._seen:
                    continue
                self._seen.add((status.st_dev, status.st_ino))
                with os.scandir(path) as entries:
                    for entry in entries:
                        self._look(entry, f"{inner}/{entry.name}" if inner else entry.name, folders)

    def _look(self, entry: os.DirEntry[str], name: str, folders: list[str]) -> None:
        if entry.is_dir():
            if self._pattern.enters(name):
                (self._links if entry.is_symlink() else folders).append(name)
        elif self._pattern.takes(name):
            try:
                status = entry.stat()
            except FileNotFoundError:
                if entry.is_symlink():
                    raise not_found(f"{entry.path} is a link to nothing: mend or remove it") from None
                return  # removed just now
            if S_ISREG(status.st_mode):
                self._files.append(_stored(entry.path, name, status))


def _stored(path: str, name: str, status: os.stat_result) -> StoredFile:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise invalid(f"the name of the file {path!a} is not UTF-8: rename it") from None
    return StoredFile(uri=path, name=name, size=status.st_size, version=str(status.st_mtime_ns))


def _status(path: str) -> os.stat_result | None:
    """None if there is nothing."""
    try:
        with _named(path):
            return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextmanager
def _named(path: str) -> Generator[None]:
    """Turns the system's refusals into errors that name the path."""
    try:
        yield
    except PermissionError as err:
        raise PenstockError(
            Code.DENIED, f"{err.filename or path} may not be read by the user of the platform: change its permissions"
        ) from err
    except OSError as err:
        if err.errno in (errno.ELOOP, errno.ENAMETOOLONG):
            raise invalid(f"{path} cannot be read: {err.strerror}") from err
        raise

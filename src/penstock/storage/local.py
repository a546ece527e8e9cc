"""Files of this machine."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from penstock.domain.errors import invalid, not_found
from penstock.storage.base import StoredFile


class LocalStorage:
    """See `Storage`."""

    def list(self, uri: str, kind: str) -> Sequence[StoredFile]:
        path = self.local_path(uri)
        if path is None:
            raise invalid(f"{uri} is not on this machine")
        if path.is_file():
            return [_file(path, path.name)]
        if not path.is_dir():
            raise not_found(f"input {uri} does not exist on the platform's machine")
        return sorted(_below(path, ""), key=lambda file: os.fsencode(file.name))

    def local_path(self, uri: str) -> Path | None:
        parts = urlsplit(uri)
        if parts.scheme == "file":
            return Path(unquote(parts.path))
        return Path(uri) if uri.startswith("/") else None


def _below(folder: Path, prefix: str) -> Iterator[StoredFile]:
    for entry in os.scandir(folder):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            yield from _below(Path(entry.path), f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield _file(Path(entry.path), prefix + entry.name)


def _file(path: Path, name: str) -> StoredFile:
    found = path.stat()
    return StoredFile(uri=str(path), name=name, size=found.st_size, version=str(found.st_mtime_ns))

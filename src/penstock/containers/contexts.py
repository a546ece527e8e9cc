"""Folders that images are built from: what is in one, by digest, and the images that its Dockerfile begins from."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.domain.errors import invalid

_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE | re.MULTILINE)
_MOST_DOCKERFILE_BYTES = 1024 * 1024
_CHUNK = 1024 * 1024


def content_digest(context: Path, dockerfile: str, begins: Sequence[str]) -> str:
    """SHA-256 over paths, modes and contents of the folder, which Dockerfile is meant, and what it begins from."""
    digest = hashlib.sha256(json.dumps([dockerfile, *begins]).encode())
    for path in _files(context):
        kind, content = ("link", os.fsencode(os.readlink(path))) if path.is_symlink() else _file_digest(path)
        executable = kind == "file" and os.access(path, os.X_OK)
        digest.update(json.dumps([os.fsdecode(path.relative_to(context)), kind, executable]).encode())
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def dockerfile_in(context: Path, dockerfile: str) -> Path:
    """The Dockerfile's path; raises `invalid` if it leads out of the folder, by its parts or by links."""
    path = context / dockerfile
    if not path.resolve().is_relative_to(context.resolve()):
        raise invalid(f"Dockerfile {dockerfile!r} is not in the folder to build from, {context}: put it there")
    return path


def parents(dockerfile: Path) -> tuple[str, ...]:
    """The images named after FROM, without `scratch`, earlier stages, and names made of build arguments.

    Raises `invalid` if there is no such file, or nothing that a Dockerfile could be.
    """
    text = _text(dockerfile)
    stages: set[str] = set()
    names: list[str] = []
    for match in _FROM.finditer(text):
        name = match[1]
        if name.lower() not in stages and name != "scratch" and "$" not in name:
            names.append(name)
        stages.add((match[2] or "").lower())
    return tuple(dict.fromkeys(names))


def _text(dockerfile: Path) -> str:
    try:
        with dockerfile.open("rb") as file:
            content = file.read(_MOST_DOCKERFILE_BYTES + 1)
    except OSError as err:
        raise invalid(f"{dockerfile} cannot be read ({err.strerror}): give the Dockerfile's path") from err
    if len(content) > _MOST_DOCKERFILE_BYTES:
        raise invalid(f"{dockerfile} is larger than {_MOST_DOCKERFILE_BYTES} bytes, so it is no Dockerfile")
    return content.decode(errors="replace")


def _files(context: Path) -> Iterator[Path]:
    """Files and links, also links to folders, in an order that depends on names alone."""
    for folder, folders, files in os.walk(context):
        folders.sort()
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted((*files, *linked)):
            yield Path(folder) / name


def _file_digest(path: Path) -> tuple[str, bytes]:
    if not path.is_file():
        return "other", b""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return "file", digest.digest()

"""Folders and files that travel through the API: a tree of content-addressed blobs.

A tree is named by the SHA-256 of its canonical JSON, a blob by the SHA-256 of its bytes; so what is there already
is not sent again, and what a deployment runs cannot change under it.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from penstock.domain.errors import invalid
from penstock.domain.resource import Frozen

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_ODD = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")  # controls, backslash, and halves of characters
_MAX_PATH = 1024  # characters
_MAX_NAME = 255  # bytes, what file systems allow between two slashes
MAX_FILES = 100_000


class Entry(Frozen):
    """A file of a tree. `path` is relative, with `/`; its first part is the name of what was uploaded."""

    path: str
    sha256: str
    size: int  # bytes
    executable: bool = False


class Tree(Frozen):
    """A folder or file as it was uploaded."""

    entries: tuple[Entry, ...]

    def digest(self) -> str:
        """SHA-256 of the tree's canonical JSON (entries by path, keys sorted, no spaces), in hex."""
        rows = [e.model_dump() for e in sorted(self.entries, key=lambda e: e.path)]
        return hashlib.sha256(json.dumps(rows, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_digest(text: str) -> str:
    if not _DIGEST.match(text):
        raise invalid(f"{text[:80]!r} is not a SHA-256 in lower-case hex")
    return text


def check_tree(tree: Tree) -> Tree:
    """`tree` if every path stays inside it and stands once; else an `invalid` error that names the path."""
    if not 0 < len(tree.entries) <= MAX_FILES:
        raise invalid(f"an artifact has 1 to {MAX_FILES:,} files; this one has {len(tree.entries):,}")
    seen: set[str] = set()
    for entry in tree.entries:
        check_digest(entry.sha256)
        if not is_plain(entry.path):
            raise invalid(f"artifact path {_shown(entry.path)} is not a plain relative path")
        if entry.size < 0:
            raise invalid(f"artifact path {entry.path!r} has a negative size")
        if entry.path in seen:
            raise invalid(f"artifact path {entry.path!r} stands twice")
        seen.add(entry.path)
    for path in seen:
        if any(str(parent) in seen for parent in PurePosixPath(path).parents):
            raise invalid(f"artifact path {path!r} lies below another file")
    return tree


@dataclass(frozen=True)
class ArtifactReference:
    """`artifact:DIGEST/PATH`: the file or folder PATH inside the tree DIGEST."""

    digest: str
    path: str

    def __str__(self) -> str:
        return f"artifact:{self.digest}/{self.path}"


def parse_artifact_reference(text: str) -> ArtifactReference | None:
    """The reference that `text` is, or None if it is something else (a local path, an asset reference)."""
    if not text.startswith("artifact:"):
        return None
    digest, slash, path = text.removeprefix("artifact:").partition("/")
    if not _DIGEST.match(digest) or not slash or not is_plain(path):
        raise invalid(f"{_shown(text)} is not an artifact reference")
    return ArtifactReference(digest, path)


def is_plain(path: str) -> bool:
    """True for names joined by `/` that any file system takes: none empty, `.` or `..`, none with odd characters."""
    if len(path) > _MAX_PATH or _ODD.search(path):
        return False
    return all(part not in ("", ".", "..") and len(part.encode()) <= _MAX_NAME for part in path.split("/"))


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 120 else f"{text[:117]}...")

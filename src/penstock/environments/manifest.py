"""What files an environment was built with, and whether it still has them. Looks at sizes and times, reads no file."""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_NAMED = 3  # files that a sentence names, of each kind

Files = Mapping[str, tuple[int, int]]  # by path in the environment: bytes, and time of change in nanoseconds


@dataclass(frozen=True)
class Damage:
    """How an environment differs from what was built, by path."""

    changed: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        parts = (("changed", self.changed), ("missing", self.missing), ("added", self.added))
        return "; ".join(f"{what}: {_some(paths)}" for what, paths in parts if paths)


def write_manifest(folder: Path, file: Path) -> str:
    """Write to `file` what is in `folder` now; returns the digest that `damage` asks for."""
    content = _content(_files(folder, file.name))
    file.write_bytes(zlib.compress(content))
    return _digest(content)


def damage(folder: Path, file: Path, digest: str, ignored: str) -> Damage | None:
    """How `folder` differs from the manifest in `file`; None if it is as it was. `ignored` is a file at its top.

    Byte-code that was written later is no damage: what runs as root may do that.
    """
    there = {path: facts for path, facts in _files(folder, file.name).items() if path != ignored}
    if _digest(_content(there)) == digest:
        return None
    try:
        content = zlib.decompress(file.read_bytes())
        listed = json.loads(content)
    except (OSError, ValueError, zlib.error):
        return Damage((), (file.name,), ())
    if _digest(content) != digest:
        return Damage((file.name,), (), ())
    return compared({path: (facts[0], facts[1]) for path, facts in listed.items()}, there)


def compared(listed: Files, there: Files) -> Damage | None:
    """How the files that are `there` differ from those that are `listed`."""
    found = Damage(
        changed=tuple(path for path in listed if path in there and there[path] != listed[path]),
        missing=tuple(path for path in listed if path not in there),
        added=tuple(path for path in there if path not in listed and "__pycache__" not in path.split("/")),
    )
    return found if found.changed or found.missing or found.added else None


def _files(folder: Path, omitted: str) -> Files:
    found: dict[str, tuple[int, int]] = {}
    _collect(str(folder), "", found)
    found.pop(omitted, None)
    return found


def _collect(folder: str, prefix: str, found: dict[str, tuple[int, int]]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _collect(entry.path, f"{prefix}{entry.name}/", found)
            else:
                facts = entry.stat(follow_symlinks=False)
                found[prefix + entry.name] = (facts.st_size, facts.st_mtime_ns)


def _content(files: Files) -> bytes:
    return json.dumps(files, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _some(paths: Iterable[str]) -> str:
    listed = sorted(paths)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more

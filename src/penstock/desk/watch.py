"""Has the code changed? Files are looked at again and again, which works on every file system."""

import os
from collections.abc import Iterator
from pathlib import Path

_SUFFIXES = frozenset((".py", ".json", ".yml", ".yaml", ".toml", ".txt", ".ini", ".cfg"))
_SKIPPED = frozenset(("__pycache__", "node_modules", "site-packages"))
_MOST_FILES = 20_000

State = frozenset[tuple[str, int, int]]


def state_of(folder: Path) -> State:
    """Equal for equal files: those that code is made of, but for hidden folders and virtual environments."""
    return frozenset(_files(folder))


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    seen = 0
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if _is_code(place, name)]
        for name in names:
            if os.path.splitext(name)[1] not in _SUFFIXES:
                continue
            seen += 1
            if seen > _MOST_FILES:
                return
            path = os.path.join(place, name)
            try:
                found = os.stat(path)
            except OSError:
                continue  # it went while we looked
            yield path, found.st_mtime_ns, found.st_size


def _is_code(place: str, name: str) -> bool:
    hidden = name.startswith(".") or name in _SKIPPED
    return not hidden and not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))

"""The files of a folder as an indented list, for whoever looks for the one that was not found."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_INDENT = " " * 4


def tree_lines(folder: Path, most: int) -> list[str]:
    """At most `most` lines, and one more if there were others."""
    lines = list(islice(_walk(folder, 0), most + 1))
    return lines if len(lines) <= most else [*lines[:most], f"... only the first {most} lines are shown"]


def _walk(path: Path, depth: int) -> Iterator[str]:
    is_folder = path.is_dir()
    yield f"{_INDENT * depth}{path.name}{'/' if is_folder else ''}"
    if is_folder and not path.is_symlink():
        for child in sorted(path.iterdir()):
            yield from _walk(child, depth + 1)

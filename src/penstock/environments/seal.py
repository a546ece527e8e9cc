"""Takes the permission to write off an environment, and removes one that is without it.

Files are often hard links into uv's cache, whose files lose the permission too; uv only ever links or deletes those.
Root may write all the same: against that, the worker has the kernel mount its environment read-only.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def seal(folder: Path) -> None:
    """Let nobody write to what is in `folder`; the folder itself can be sealed once its last file is there."""
    for entry in _below(str(folder)):
        if not entry.is_symlink():
            # A cache that several users share may hold files of others, which these can write to and we cannot.
            with suppress(PermissionError):
                os.chmod(entry.path, entry.stat().st_mode & ~_WRITE)


def seal_folder(folder: Path) -> None:
    """Let nobody add to `folder` or take from it."""
    folder.chmod(folder.stat().st_mode & ~_WRITE)


def remove(folder: Path, first: Path) -> None:
    """Remove an environment, sealed or not, and `first` before all else in it: half of one must not look whole."""
    if not folder.exists():
        return
    folder.chmod(0o700)
    first.unlink(missing_ok=True)
    for parent, _, _ in os.walk(folder):
        os.chmod(parent, 0o700)
    shutil.rmtree(folder)


def _below(folder: str) -> Iterator["os.DirEntry[str]"]:
    """Everything below `folder`, links to folders not followed; what is in a folder comes before the folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path)
            yield entry

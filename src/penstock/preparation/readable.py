"""Files that a container's user may read. What they lie in, the platform's home, keeps everybody else out."""

import os
from pathlib import Path

_ALL_READ = 0o755


def let_everybody_read(folder: Path) -> None:
    """Open `folder` and the folders in it to every user; files of artifacts are readable already.

    The top comes last: if it is open, all of it is.
    """
    if folder.stat().st_mode & _ALL_READ == _ALL_READ:
        return
    for root, folders, _ in os.walk(folder):
        for name in folders:
            (Path(root) / name).chmod(_ALL_READ)
    folder.chmod(_ALL_READ)

"""Moves the files of a folder into another one of this machine, so that each is there whole, and nobody's is replaced.

For final files that were made where the user of a container may write, and belong elsewhere, to the platform's user.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from penstock import durable
from penstock.domain.errors import Code, PenstockError, conflict

_NAMED = 3  # files in a message
_CHUNK = 8 * 1024 * 1024


def deliver(source: Path, target: Path, mark: Path, job: str, beat: Callable[[], None]) -> int:
    """Have all files of `source` below `target`; how many bytes. It may be repeated at any point.

    1. The target must have no file of these names: else `conflict`. Then the file `mark` says which are ours.
    2. Each file is copied aside, synced, linked to its name, and removed from `source`.

    Links and whatever else is no file are left: who made them may not be trusted. Raises `denied` where the platform's
    user may not write, and OSError if the disk is full.
    """
    names = sorted(_files(source))
    if not mark.exists():
        taken = [name for name in names if os.path.lexists(target / name)]
        if taken:
            raise conflict(
                f"the output folder {target} holds {', '.join(taken[:_NAMED])} already: give another output path, or "
                "remove what is there"
            )
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.replace(mark, json.dumps(names).encode())
        durable.sync_folder(mark.parent)
    try:
        target.mkdir(parents=True, exist_ok=True)
        return sum(_move(source / name, target / name, target / f".penstock-{job}", beat) for name in names)
    except (PermissionError, FileExistsError, NotADirectoryError) as err:
        raise PenstockError(
            Code.DENIED, f"{err.filename} cannot be written ({err.strerror}): give another output path"
        ) from err


def take_back(target: Path, mark: Path) -> None:
    """Remove what `deliver` has put below `target`. It may be repeated. Raises OSError."""
    names: list[str] = json.loads(mark.read_bytes() or b"[]") if mark.exists() else []
    for name in names:
        (target / name).unlink(missing_ok=True)
    mark.unlink(missing_ok=True)


def _move(source: Path, final: Path, aside: Path, beat: Callable[[], None]) -> int:
    final.parent.mkdir(parents=True, exist_ok=True)
    size = _copy(source, final, aside, beat)
    durable.sync_folder(final.parent)
    source.unlink()
    return size


def _copy(source: Path, final: Path, aside: Path, beat: Callable[[], None]) -> int:
    """Bytes of the file, which has its name then. One that has it already is ours if it is of the same size."""
    aside.unlink(missing_ok=True)  # of an earlier process that was killed
    with open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW), "rb") as reading:
        size = os.fstat(reading.fileno()).st_size
        if os.path.lexists(final):
            if os.lstat(final).st_size == size:
                return size
            raise conflict(f"{final} was put there by somebody else meanwhile: remove it, and resume the job")
        try:
            with open(aside, "xb") as writing:
                while chunk := reading.read(_CHUNK):
                    writing.write(chunk)
                    beat()
                writing.flush()
                os.fsync(writing.fileno())
            _name(aside, final)
        finally:
            aside.unlink(missing_ok=True)
    return size


def _name(aside: Path, final: Path) -> None:
    try:
        os.link(aside, final)
    except FileExistsError:
        raise conflict(f"{final} was put there by somebody else meanwhile: remove it, and resume the job") from None
    except OSError:  # a file system without links
        os.rename(aside, final)


def _files(folder: Path) -> Iterator[str]:
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            with suppress(FileNotFoundError):
                if S_ISREG(os.lstat(path).st_mode):
                    yield os.path.relpath(path, folder)

"""What killed builds leave: commands of a Dockerfile that go on in their container, and folders of files.

A build's folder is mounted into its containers and held open by a lock, so both can be told from those that live.
"""

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "penstock-build-"
MOUNTED = "/etc/pip.conf"  # the file of a build's folder that every command of a Dockerfile sees


@contextmanager
def build_folder(parent: Path) -> Generator[Path]:
    """A folder for the files of one build. At its end no command of the build is left, however that ended."""
    turn = _locked(parent, wait=True)  # so that a new folder is not taken for one that was left
    try:
        for left in parent.glob(f"{_PREFIX}*"):
            _remove_if_left(left)
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
        lock = _locked(folder)
    finally:
        _release(turn)
    try:
        yield folder
    finally:
        _end_commands(folder.name)
        shutil.rmtree(folder, ignore_errors=True)
        _release(lock)


def _remove_if_left(folder: Path) -> None:
    lock = _locked(folder)
    if lock is None:
        return
    _end_commands(folder.name)
    shutil.rmtree(folder, ignore_errors=True)
    _release(lock)


def _locked(folder: Path, *, wait: bool = False) -> int | None:
    """The folder with its lock taken, which the kernel lets go when its holder dies; None if somebody has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _release(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


def _end_commands(mark: str) -> None:
    """Kill the processes, in other mount namespaces than ours, that have a file of the folder `mark` mounted."""
    own = os.readlink("/proc/self/ns/mnt")
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it has ended, or is another user's
            if os.readlink(process / "ns" / "mnt") != own and _has_mounted(process, mark):
                os.kill(int(process.name), signal.SIGKILL)


def _has_mounted(process: Path, mark: str) -> bool:
    """Whether a line of its mounts leads from `.../MARK/pip.conf` to the place where builds have it."""
    for line in (process / "mountinfo").read_text(errors="replace").splitlines():
        fields = line.split(" ")
        if fields[3].endswith(f"/{mark}/pip.conf") and fields[4] == MOUNTED:
            return True
    return False

"""Whether containers can read what a job is to score: told before it begins, as they would not find or open it."""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from penstock.domain.errors import PenstockError, invalid
from penstock.store.ledger import LedgerFile

_OF_THE_IMAGE = frozenset(
    f"/{name}".rstrip("/")
    for name in ("", "bin", "boot", "dev", "etc", "lib", "lib64", "opt", "proc", "run", "sbin", "sys", "tmp", "usr")
) | {"/var", "/var/azureml-app"}
_SYSTEM = ("/dev/", "/proc/", "/sys/")
_NOBODY = 65534


def check_inputs(files: Iterable[LedgerFile], reads: Sequence[Path], reader: int | None) -> None:
    """`reads` are the folders and files that are mounted, `reader` the user that reads them, None if it may all that
    the platform may.

    Raises `invalid` for folders that would hide what an image needs, for links that lead out of what is mounted, and
    for files that are closed to the user.
    """
    for path in reads:
        _check_place(str(path).rstrip("/"))
    roots = tuple(os.path.realpath(path) for path in reads)
    folders: dict[str, str] = {}
    open_folders: set[str] = set()
    for file in files:
        if not file.uri.startswith("/"):
            continue
        real = _real(file.uri, folders)
        root = next((root for root in roots if real == root or real.startswith(f"{root.rstrip('/')}/")), None)
        if root is None:
            raise invalid(
                f"{file.uri} leads to {real}, which a container of the job does not see, as no input names it: put a "
                "copy where the link is, or name the folder where the file lies"
            )
        if reader is not None:
            _check_open(real, root, reader, open_folders)


def reader_of(user: str, platform: int) -> int | None:
    """The user of a container, as a number, if the platform runs as root (0) and an image says it: see
    `container_command.user_of`. None: it may read what the platform may, or it has a name that only the image knows."""
    name = user.partition(":")[0]
    if platform != 0 or not (name in ("", "root") or name.isdecimal()):
        return None
    return _NOBODY if name in ("", "0", "root") else int(name)


def _check_place(path: str) -> None:
    if path in _OF_THE_IMAGE or f"{path}/".startswith(_SYSTEM):
        raise invalid(
            f"{path or '/'} cannot be an input of a deployment in an image of one's own, as a container has a folder "
            "of that name already: put the data into a folder of its own, and name that"
        )


def _check_open(path: str, root: str, reader: int, open_folders: set[str]) -> None:
    """Raise `invalid` for a file that the user may not read, or a folder from `root` on that he may not enter."""
    if not _may(path, reader, stat.S_IRUSR, stat.S_IROTH):
        raise _closed(path, "read", reader, "r")
    while path != root and (path := os.path.dirname(path)) not in open_folders:
        if not _may(path, reader, stat.S_IXUSR, stat.S_IXOTH):
            raise _closed(path, "entered", reader, "x")
        open_folders.add(path)


def _may(path: str, reader: int, owner: int, others: int) -> bool:
    found = os.stat(path)
    return bool(found.st_mode & (owner if found.st_uid == reader else others))


def _closed(path: str, verb: str, reader: int, letter: str) -> PenstockError:
    return invalid(
        f"{path} may not be {verb} by user {reader}, as which containers of the job run: open it to others (chmod "
        f"o+{letter}), or run the platform as a user who may do so, whose containers may too"
    )


def _real(path: str, folders: dict[str, str]) -> str:
    """Where a file really lies; `folders` remembers where their folders do."""
    folder, _, name = path.rpartition("/")
    if folder not in folders:
        folders[folder] = os.path.realpath(folder or "/")
    if os.path.islink(path):
        return os.path.realpath(path)
    return f"{folders[folder].rstrip('/')}/{name}"

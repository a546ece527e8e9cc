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
    for file in files:
        if not file.uri.startswith("/"):
            continue
        real = _real(file.uri, folders)
        if not any(real == root or real.startswith(f"{root.rstrip('/')}/") for root in roots):
            raise invalid(
                f"{file.uri} leads to {real}, which a container of the job does not see, as no input names it: put a "
                "copy where the link is, or name the folder where the file lies"
            )
        if reader is not None and not _may_read(os.stat(real), reader):
            raise _closed(real, reader)


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


def _may_read(found: os.stat_result, reader: int) -> bool:
    return bool(found.st_mode & (stat.S_IRUSR if found.st_uid == reader else stat.S_IROTH))


def _closed(path: str, reader: int) -> PenstockError:
    return invalid(
        f"{path} may not be read by user {reader}, as which containers of the job run: open it to others (chmod o+r), "
        "or run the platform as a user of its own who may read it, whose containers may too"
    )


def _real(path: str, folders: dict[str, str]) -> str:
    """Where a file really lies; `folders` remembers where their folders do."""
    folder, _, name = path.rpartition("/")
    if folder not in folders:
        folders[folder] = os.path.realpath(folder or "/")
    if os.path.islink(path):
        return os.path.realpath(path)
    return f"{folders[folder].rstrip('/')}/{name}"

"""Penstock's base inference image: what it is built from, and how images are known that were made from it."""

import hashlib
import shutil
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from penstock.domain.errors import full_disk_named, invalid

WORKER_VERSION = "penstock.worker.version"  # label of the base image, and of all that are made from it
# With the platform's own Python, so that what the platform has installed fits.
DEFAULT_BASE = f"docker.io/library/python:{sys.version_info.major}.{sys.version_info.minor}-slim"
_PARTS = Path(__file__).parent / "base"
_CHUNK = 1024 * 1024


def base_tag(version: str) -> str:
    """How the base image of this version is called on the machine where it was built."""
    return f"penstock/inference:{version}"


def write_base_context(folder: Path, base: str, wheels: Mapping[str, bytes]) -> None:
    """Write Dockerfile, install script and `wheels` (worker and what it needs, by file name) into `folder`."""
    text = (_PARTS / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(text.replace("FROM penstock-base\n", f"FROM {base}\n"))
    shutil.copyfile(_PARTS / "install.sh", folder / "install.sh")
    (folder / "wheels").mkdir()
    for name, content in wheels.items():
        (folder / "wheels" / name).write_bytes(content)


def base_labels(base: str, version: str, worker_version: str) -> dict[str, str]:
    """Labels of the image that was made from `base`."""
    return {
        "org.opencontainers.image.title": "penstock-inference",
        "org.opencontainers.image.description": "Penstock's worker in Azure ML's layout",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.base.name": base,
        WORKER_VERSION: worker_version,
    }


def root_archive(source: Path, folder: Path) -> Path:
    """A root file system as a tar file: `source` itself, or a new one in `folder` of the folder `source`.

    Raises `invalid` if there is none, or not all of it can be read (which takes root for a folder of root's).
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise invalid(f"--rootfs {source}: there is no such file or folder")
    archive = folder / "root.tar"
    try:
        with full_disk_named(folder), tarfile.open(archive, "w") as tar:
            tar.add(source, ".")
    except PermissionError as err:
        raise invalid(
            f"--rootfs {source}: {err.filename} cannot be read: run this as root, or give a tar file"
        ) from err
    return archive


def root_tag(archive: Path) -> str:
    """How the image of a root file system is called: by what is in it."""
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"localhost/penstock/root:{digest.hexdigest()[:16]}"

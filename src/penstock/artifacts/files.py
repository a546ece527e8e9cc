"""Artifacts in a folder of this host: `blobs/aa/DIGEST` and `trees/DIGEST.json`, each written once."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from penstock import durable
from penstock.domain.artifact import Entry, Tree, check_digest, check_tree
from penstock.domain.errors import Code, PenstockError, conflict, full_disk_named, invalid, not_found

_LINK_BYTES = 1024 * 1024  # smaller files are copied: cheap, and a slip of their user's harms only the copy
_UNFINISHED = ".unfinished-"  # how names of trees begin that are being laid out


class FileArtifacts:
    """Artifacts below `folder`, which is made if need be. Safe for several threads and processes at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temporary = folder / "tmp"
        for part in (folder, folder / "blobs", folder / "trees", self._temporary):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.remove_stale(self._temporary)

    def missing(self, digests: Iterable[str]) -> Sequence[str]:
        unique = dict.fromkeys(check_digest(digest) for digest in digests)
        return [digest for digest in unique if not self._blob(digest).exists()]

    def put_blob(self, digest: str, chunks: Iterable[bytes]) -> int:
        target = self._blob(check_digest(digest))
        if target.exists():
            # Read to the end all the same: who sends half a body and is answered sees a broken connection.
            return _checked(digest, chunks)
        with full_disk_named(self._folder), durable.new_file(self._temporary) as (path, descriptor):
            size = _checked(digest, _copied(chunks, descriptor))
            self._keep(path, descriptor, target)
        return size

    def add_blob(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        size, sha256 = 0, hashlib.sha256()
        with full_disk_named(self._folder), durable.new_file(self._temporary) as (path, descriptor):
            for chunk in _copied(chunks, descriptor):
                sha256.update(chunk)
                size += len(chunk)
            self._keep(path, descriptor, self._blob(sha256.hexdigest()))
        return sha256.hexdigest(), size

    def open_blob(self, digest: str) -> BinaryIO:
        try:
            return self._blob(check_digest(digest)).open("rb")
        except FileNotFoundError:
            raise not_found(f"blob {digest} is not here: upload it again") from None

    def put_tree(self, tree: Tree) -> str:
        self._check_blobs(check_tree(tree))
        digest = tree.digest()
        target = self._tree(digest)
        if not target.exists():
            with full_disk_named(self._folder), durable.new_file(self._temporary) as (path, descriptor):
                durable.write_all(descriptor, tree.model_dump_json().encode())
                os.fsync(descriptor)
                os.replace(path, target)
                durable.sync_folder(target.parent)
        return digest

    def tree(self, digest: str) -> Tree:
        try:
            tree = Tree.model_validate_json(self._tree(check_digest(digest)).read_bytes())
        except FileNotFoundError:
            raise not_found(f"artifact {digest} is not here: upload it again") from None
        except ValueError as err:
            raise PenstockError(Code.INTERNAL, f"the record of artifact {digest} in {self._folder} is damaged") from err
        return tree

    def read(self, digest: str, path: str) -> bytes:
        entry = next((entry for entry in self.tree(digest).entries if entry.path == path), None)
        if entry is None:
            raise not_found(f"artifact {digest} has no file {path!r}")
        return self._blob(entry.sha256).read_bytes()

    def materialise(self, digest: str, target: Path, *, link: bool) -> Path:
        if target.exists():
            return target
        tree = self.tree(digest)
        with full_disk_named(target.parent):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with durable.only_one_below(target.parent):
                if not target.exists():
                    self._lay_out(tree, target, link=link)
        return target

    def _keep(self, path: Path, descriptor: int, target: Path) -> None:
        """Give a written file its place, on the disk before it is visible."""
        os.fchmod(descriptor, 0o444)
        os.fsync(descriptor)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        os.replace(path, target)
        durable.sync_folder(target.parent)

    def _lay_out(self, tree: Tree, target: Path, *, link: bool) -> None:
        for left in target.parent.glob(f"{_UNFINISHED}*"):  # by a crash: whoever lays out here holds the lock
            shutil.rmtree(left)
        unfinished = target.parent / f"{_UNFINISHED}{uuid.uuid4().hex}"
        unfinished.mkdir(mode=0o700)
        try:
            for entry in tree.entries:
                file = unfinished / entry.path
                _make_folders(unfinished, file.parent)
                self._place(entry, file, link=link)
            os.rename(unfinished, target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise

    def _place(self, entry: Entry, file: Path, *, link: bool) -> None:
        blob = self._blob(entry.sha256)
        # The mode belongs to the bytes, not to the name: a linked blob cannot be executable here and not there.
        if link and not entry.executable and entry.size >= _LINK_BYTES and _linked(blob, file):
            return
        shutil.copyfile(blob, file)
        file.chmod(0o555 if entry.executable else 0o444)

    def _check_blobs(self, tree: Tree) -> None:
        absent = self.missing(entry.sha256 for entry in tree.entries)
        if absent:
            raise conflict(f"{len(absent)} of the artifact's files are not here yet: upload {absent[0]} and the others")
        for entry in tree.entries:
            size = self._blob(entry.sha256).stat().st_size
            if size != entry.size:
                raise invalid(f"artifact path {entry.path!r} is said to have {entry.size} bytes and has {size}")

    def _blob(self, digest: str) -> Path:
        return self._folder / "blobs" / digest[:2] / digest

    def _tree(self, digest: str) -> Path:
        return self._folder / "trees" / f"{digest}.json"


def _checked(digest: str, chunks: Iterable[bytes]) -> int:
    """The number of bytes in `chunks`, which are read to the end; raises `invalid` if their digest is another."""
    size, sha256 = 0, hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
        size += len(chunk)
    if sha256.hexdigest() != digest:
        raise invalid(f"the {size} bytes sent as {digest} have the SHA-256 {sha256.hexdigest()}: send them again")
    return size


def _copied(chunks: Iterable[bytes], descriptor: int) -> Iterable[bytes]:
    for chunk in chunks:
        durable.write_all(descriptor, chunk)
        yield chunk


def _linked(blob: Path, file: Path) -> bool:
    """True if `file` could be made a second name of `blob`; not across disks, nor beyond a disk's limit of names."""
    try:
        os.link(blob, file)
    except OSError as err:
        if err.errno in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP):
            return False
        raise
    return True


def _make_folders(root: Path, folder: Path) -> None:
    """`folder` and what lies between it and `root`, each for the owner only (`parents=True` would ignore the mode)."""
    if folder != root and not folder.exists():
        _make_folders(root, folder.parent)
        folder.mkdir(mode=0o700)

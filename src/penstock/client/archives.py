"""A version of a model as one file: a tar of its manifest and its files, compressed by Zstandard.

    manifest.json          what the version is, and path, size and SHA-256 of each file
    manifest.json.sha256   its SHA-256, as `sha256sum` writes it
    files/PATH             each file, in the manifest's order

The same version makes the same bytes. Whoever wrote an archive is not trusted: it must be, byte for byte, what its
manifest says.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import zstandard
from pydantic import ValidationError

from penstock.client.artifacts import Contents, OnBytes
from penstock.client.downloads import checked
from penstock.client.members import BLOCK, END, described, header, padding, stated_size
from penstock.domain.artifact import ArtifactReference, Entry, Tree, check_tree
from penstock.domain.errors import PenstockError, invalid, unavailable
from penstock.domain.model import ModelVersion
from penstock.domain.resource import Frozen

_MANIFEST = "manifest.json"
_LEVEL = 3
_CHUNK = 1024 * 1024  # bytes
_MAX_MANIFEST = 32 * 1024 * 1024  # bytes, as many as the platform takes for a tree
_MAX_WINDOW = 8 * 1024 * 1024  # bytes of memory that an archive may ask for


class Manifest(Frozen):
    """What an archive holds. `model.path` names the tree of `files`."""

    format: Literal["penstock-model"] = "penstock-model"
    format_version: Literal[1] = 1
    model: ModelVersion
    files: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """An archive all of which is right: its version, its tree, and a file for each blob."""

    version: ModelVersion
    tree: Tree
    files: Mapping[str, Path]
    reference: str


def write_archive(file: BinaryIO, version: ModelVersion, tree: Tree, content: Contents, on_bytes: OnBytes) -> None:
    """Write the archive of `version`, whose files are `tree`.

    Raises `unavailable` if a file arrives damaged, `invalid` for more files than an archive may have.
    """
    entries = tuple(sorted(tree.entries, key=lambda entry: entry.path))
    fields = Manifest(model=version, files=entries).model_dump(mode="json")
    manifest = json.dumps(fields, indent=1, sort_keys=True).encode()
    if len(manifest) > _MAX_MANIFEST:
        raise invalid(f"model {version.name}:{version.version} has more files than an archive may have")
    total, done = sum(entry.size for entry in entries), 0
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with compressor.stream_writer(file, closefd=False) as stream:
        for name, text in ((_MANIFEST, manifest), (f"{_MANIFEST}.sha256", _sum_of(manifest))):
            stream.write(header(name, len(text)) + text + padding(len(text)))
        for entry in entries:
            stream.write(_header(entry))
            for chunk in checked(entry, content(entry.sha256)):
                stream.write(chunk)
            stream.write(padding(entry.size))
            done += entry.size
            on_bytes(done, total)
        stream.write(END)


def read_archive(file: BinaryIO, name: str, folder: Path, on_bytes: OnBytes) -> Unpacked:
    """Check all of an archive, and write its blobs below `folder`, each under its digest.

    Never writes more than the manifest says, nor that if there is no room for it. Raises `invalid`, naming the member,
    for anything that `write_archive` does not write; `unavailable` if the disk is too small.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    with decompressor.stream_reader(file, read_across_frames=True, closefd=False) as stream:
        reader = _Reader(stream, name)
        manifest = reader.manifest()
        tree = check_tree(Tree(entries=manifest.files))
        top = {entry.path.partition("/")[0] for entry in tree.entries}
        reference = str(ArtifactReference(tree.digest(), min(top)))
        if len(top) > 1 or manifest.model.path != reference:
            raise reader.fault(_MANIFEST, f"the model lies at {manifest.model.path!r}, and the files do not")
        sizes = {entry.sha256: entry.size for entry in tree.entries}
        _check_room(name, folder, sum(sizes.values()))
        total, done = sum(entry.size for entry in tree.entries), 0
        for entry in tree.entries:
            reader.file(entry, folder / entry.sha256)
            done += entry.size
            on_bytes(done, total)
        reader.end()
    return Unpacked(
        version=manifest.model,
        tree=tree,
        files={digest: folder / digest for digest in sizes},
        reference=reference,
    )


class _Reader:
    """Reads what must come next, and nothing else."""

    def __init__(self, stream: zstandard.ZstdDecompressionReader, name: str) -> None:
        self._stream = stream
        self._name = name

    def fault(self, member: str, what: str) -> PenstockError:
        return invalid(f"{self._name} is not a whole archive of a model: {member!a}: {what}")

    def manifest(self) -> Manifest:
        first = self._read(BLOCK, _MANIFEST)
        size = stated_size(first)
        if size > _MAX_MANIFEST or first != header(_MANIFEST, size):
            raise self.fault(_MANIFEST, f"in its place stands {described(first)}")
        text = self._read(size, _MANIFEST)
        self._expect(padding(size), _MANIFEST)
        sum_, name = _sum_of(text), f"{_MANIFEST}.sha256"
        self._expect(header(name, len(sum_)), name)
        self._expect(sum_ + padding(len(sum_)), name)
        try:
            return Manifest.model_validate_json(text)
        except ValidationError as err:
            fault = err.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise self.fault(_MANIFEST, f"field {where[:200]!r}: {fault['msg']} (of a newer platform?)") from None

    def file(self, entry: Entry, target: Path) -> None:
        """The next file, written to `target` if that is not there yet."""
        member = _member(entry)
        self._expect(_header(entry), member)
        sha256 = hashlib.sha256()
        with target.open("ab") as copy:
            twin = copy.tell() > 0
            for chunk in self._chunks(entry.size, member):
                sha256.update(chunk)
                if not twin:
                    copy.write(chunk)
        if sha256.hexdigest() != entry.sha256:
            raise self.fault(member, f"its SHA-256 is not {entry.sha256}")
        self._expect(padding(entry.size), member)

    def end(self) -> None:
        self._expect(END, "end")
        following = self._some(BLOCK, "end")
        if following:
            raise self.fault("end", f"after the last file follows {described(following)}")

    def _expect(self, wanted: bytes, member: str) -> None:
        found = self._read(len(wanted), member)
        if found != wanted:
            raise self.fault(member, f"in its place stands {described(found)}")

    def _read(self, size: int, member: str) -> bytes:
        return b"".join(self._chunks(size, member))

    def _chunks(self, size: int, member: str) -> Iterator[bytes]:
        while size:
            chunk = self._some(min(size, _CHUNK), member)
            if not chunk:
                raise self.fault(member, "the file ends here")
            size -= len(chunk)
            yield chunk

    def _some(self, size: int, member: str) -> bytes:
        try:
            return self._stream.read(size)
        except zstandard.ZstdError as err:
            raise self.fault(member, f"it cannot be decompressed ({err})") from None


def _check_room(name: str, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise unavailable(
            f"{name} holds {size} bytes, and the disk that holds {folder} has room for {free}: "
            "free some space, or set TMPDIR to a folder on another disk"
        )


def _member(entry: Entry) -> str:
    return f"files/{entry.path}"


def _header(entry: Entry) -> bytes:
    return header(_member(entry), entry.size, executable=entry.executable)


def _sum_of(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {_MANIFEST}\n".encode()

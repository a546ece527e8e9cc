"""Sending folders and files to the platform: only what it does not have yet."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from penstock.client.transport import Transport
from penstock.domain.artifact import Tree
from penstock.domain.errors import invalid

_AT_ONCE = 1000  # digests per question
_CHUNK = 1024 * 1024  # bytes

OnBytes = Callable[[int, int], None]  # bytes sent so far, bytes to send


class Packed(Protocol):
    """A folder or file that has been read: its tree, where its blobs lie, and the reference that it will have."""

    @property
    def tree(self) -> Tree: ...

    @property
    def files(self) -> Mapping[str, Path]: ...

    @property
    def reference(self) -> str: ...


class Artifacts:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(self, packed: Packed, on_bytes: OnBytes | None = None) -> str:
        """Send the blobs that are missing, then the tree; returns the reference.

        Raises `invalid` if a file changed or went away since it was read.
        """
        sizes = {entry.sha256: entry.size for entry in packed.tree.entries}
        missing = self._missing(list(sizes))
        total, sent = sum(sizes[digest] for digest in missing), 0
        for digest in missing:
            self._send(digest, packed.files[digest])
            sent += sizes[digest]
            if on_bytes is not None:
                on_bytes(sent, total)
        self._transport.put(f"/artifacts/trees/{packed.tree.digest()}", packed.tree.model_dump_json().encode())
        return packed.reference

    def _missing(self, digests: list[str]) -> list[str]:
        missing: list[str] = []
        for start in range(0, len(digests), _AT_ONCE):
            answer = self._transport.post("/artifacts/missing", {"digests": digests[start : start + _AT_ONCE]})
            missing += answer["missing"]
        return missing

    def _send(self, digest: str, path: Path) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        try:
            self._transport.send("PUT", f"/artifacts/blobs/{digest}", content=lambda: _chunks(path), headers=headers)
        except OSError as err:
            raise invalid(f"{path} cannot be read: {err.strerror}") from err


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk

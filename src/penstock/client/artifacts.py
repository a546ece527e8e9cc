"""Folders and files on their way to the platform, of which it gets only what it does not have yet, and back."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from penstock.client.resources import understood
from penstock.client.transport import Transport
from penstock.domain.artifact import Tree, check_digest, check_tree
from penstock.domain.errors import Code, PenstockError, invalid

_AT_ONCE = 1000  # digests per question
_CHUNK = 1024 * 1024  # bytes

OnBytes = Callable[[int, int], None]  # bytes so far, bytes in all
Contents = Callable[[str], Iterable[bytes]]  # of the blob with this digest; called once per attempt


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

    def upload(self, packed: Packed, on_bytes: OnBytes = lambda _done, _total: None) -> str:
        """Send the blobs that are missing, then the tree; returns the reference.

        Raises `invalid` if a file changed or went away since it was read.
        """
        self.send(packed.tree, lambda digest: _chunks(packed.files[digest]), on_bytes)
        return packed.reference

    def send(self, tree: Tree, content: Contents, on_bytes: OnBytes = lambda _done, _total: None) -> None:
        """Send the blobs that are missing, each as `content` gives it, then the tree."""
        sizes = {entry.sha256: entry.size for entry in tree.entries}
        missing = self._missing(list(sizes))
        total, sent = sum(sizes[digest] for digest in missing), 0
        for digest in missing:
            self._send(digest, content)
            sent += sizes[digest]
            on_bytes(sent, total)
        self._transport.put(f"/artifacts/trees/{tree.digest()}", tree.model_dump_json().encode())

    def tree(self, digest: str) -> Tree:
        """The tree that the platform has under this name. Raises `internal` if it is not that one, or leads outside."""
        tree = understood(Tree, self._transport.get(f"/artifacts/trees/{check_digest(digest)}"))
        if check_tree(tree).digest() != digest:
            url = self._transport.address.url
            raise PenstockError(Code.INTERNAL, f"{url} answered with another tree than {digest}")
        return tree

    def chunks(self, digest: str) -> Iterator[bytes]:
        """The content of a blob, in pieces. Whoever keeps it must check that it has this digest."""
        return self._transport.stream(f"/artifacts/blobs/{check_digest(digest)}")

    def _missing(self, digests: list[str]) -> list[str]:
        missing: list[str] = []
        for start in range(0, len(digests), _AT_ONCE):
            answer = self._transport.post("/artifacts/missing", {"digests": digests[start : start + _AT_ONCE]})
            missing += answer["missing"]
        return missing

    def _send(self, digest: str, content: Contents) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        self._transport.send("PUT", f"/artifacts/blobs/{digest}", content=lambda: content(digest), headers=headers)


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as err:
        raise invalid(f"{path} cannot be read: {err.strerror}") from err

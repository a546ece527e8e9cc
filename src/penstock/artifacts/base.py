"""The port for artifacts: content-addressed blobs and the trees made of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from penstock.domain.artifact import Tree


class Artifacts(Protocol):
    """Nothing is visible before it is whole and its digest has been checked; writing twice is writing once."""

    def missing(self, digests: Iterable[str]) -> Sequence[str]:
        """Those of the blobs that are not here, each once, in the order given."""
        ...

    def put_blob(self, digest: str, chunks: Iterable[bytes]) -> int:
        """Store a blob and return its size. Raises `invalid` if the bytes do not have the digest."""
        ...

    def add_blob(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Store a blob whose digest nobody knows yet; returns digest and size."""
        ...

    def open_blob(self, digest: str) -> BinaryIO:
        """The bytes of a blob, to be read in pieces. Raises `not_found`."""
        ...

    def put_tree(self, tree: Tree) -> str:
        """Store a tree and return its digest.

        Raises `invalid` for paths that leave it and sizes that are wrong, `conflict` for missing blobs.
        """
        ...

    def tree(self, digest: str) -> Tree:
        """The tree. Raises `not_found`."""
        ...

    def read(self, digest: str, path: str) -> bytes:
        """The content of one (small) file of a tree. Raises `not_found`."""
        ...

    def materialise(self, digest: str, target: Path, *, link: bool) -> Path:
        """Lay the tree out as real folders at `target`; an existing `target` is complete and left alone.

        Atomic (a temporary name, then a rename). With `link`, large files share the blob's bytes.
        """
        ...

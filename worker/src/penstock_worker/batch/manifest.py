"""The list of all parts of a job, read from its file again and again: it may be too long to keep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from penstock_worker.batch_contract import ManifestLine, decoded

ROWS, REJECTS = "rows", "rejects"  # kinds of parts


class Manifest:
    """The parts that the file `path` names lie in the folder `parts`. Reading raises ValueError for what is no list."""

    def __init__(self, path: Path, parts: Path, beat: Callable[[], None]) -> None:
        self._path = path
        self._parts = parts
        self.rows = 0  # in parts of rows
        self.rejects = 0  # in parts of rejects
        self.parts = 0  # that hold rows
        self.shared = 0  # of these, the ones that hold rows of several files
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for line in file:
                digest.update(line)
                self._count(_line(line))
                beat()
        self.fingerprint = digest.hexdigest()

    def paths(self, kind: str) -> Iterator[Path]:
        """The parts of a kind, in the order of the input."""
        return (self._parts / line.part for line in self._lines(kind))

    def by_file(self) -> Iterator[tuple[str, list[Path]]]:
        """The parts of rows of each input file, by its name, in the order of the input; shared ones are left out."""
        for name, lines in groupby(self._lines(ROWS), key=lambda line: line.file):
            if name:
                yield name, [self._parts / line.part for line in lines]

    def shared_paths(self) -> Iterator[Path]:
        """The parts that hold rows of several files."""
        return (self._parts / line.part for line in self._lines(ROWS) if not line.file)

    def _count(self, line: ManifestLine) -> None:
        if line.kind == ROWS:
            self.rows += line.rows
            self.parts += 1
            self.shared += not line.file
        else:
            self.rejects += line.rows

    def _lines(self, kind: str) -> Iterator[ManifestLine]:
        with open(self._path, "rb") as file:
            for text in file:
                line = _line(text)
                if line.kind == kind:
                    yield line


def _line(text: bytes) -> ManifestLine:
    try:
        line = decoded(json.loads(text), ManifestLine)
    except TypeError as error:
        raise ValueError(f"{text[:200]!r} is no line of a manifest") from error
    if not line.part or "/" in line.part or line.part.startswith("."):
        raise ValueError(f"{line.part!r} is no name of a part")
    return line

"""Files without a name, for what a command is to read and nobody else: lines with URLs may hold passwords."""

import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import IO


@contextmanager
def unnamed(lines: Sequence[str]) -> Generator[IO[bytes]]:
    """A file with these lines, which outlives no crash; as arguments every user of the machine could see them."""
    with tempfile.TemporaryFile() as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.seek(0)
        yield file

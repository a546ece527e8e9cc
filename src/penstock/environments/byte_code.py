"""Which of an environment's files are compiled when it is built, since nobody can write byte-code there later."""

import os
from collections.abc import Sequence
from pathlib import Path

# Nobody serves with a package's own tests, which are more than half of all code.
_NOT_COMPILED = frozenset({"tests", "test", "__pycache__"})
_FILES_PER_PROCESS = 200  # fewer are compiled sooner than a process starts


def sources(folder: Path) -> Sequence[Path]:
    """The modules below `folder`, but for those of tests; packages named `test` at its top are no package's own."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        inner = Path(parent) != folder
        folders[:] = sorted(name for name in folders if not (inner and name in _NOT_COMPILED))
        found += [Path(parent, name) for name in sorted(names) if name.endswith(".py")]
    return found


def shares(files: Sequence[Path], processors: int) -> Sequence[Sequence[Path]]:
    """`files` for as many processes as are worth it, of about equal work."""
    count = max(1, min(processors, len(files) // _FILES_PER_PROCESS))
    return [files[number::count] for number in range(count)]

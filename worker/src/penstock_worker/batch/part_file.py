"""A file of `parts/`: whole, on disk, or not there."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from penstock_worker.batch_contract import Part, flush_folder

if TYPE_CHECKING:
    from pathlib import Path


def write_part(folder: Path, part: Part, data: bytes) -> Part:
    """Put `data` into the job's folder under the name of `part`, on disk when this returns; `part` with its size.

    Raises OSError, and leaves nothing then.
    """
    parts = folder / "parts"
    temporary = parts / f".{part.name}.{os.getpid()}.tmp"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, parts / part.name)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    flush_folder(parts)
    return Part(part.name, part.kind, part.rows, len(data), part.segment)

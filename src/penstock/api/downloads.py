"""Files that are sent piece by piece, from a byte on if the caller has the rest."""

import os
import re
from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import Depends, Header
from fastapi.responses import StreamingResponse
from starlette.convertors import PathConvertor, register_url_convertor

from penstock.domain.errors import invalid

_CHUNK = 1024 * 1024  # bytes
_RANGE = re.compile(r"bytes=(\d{1,18})-")


class _FilePath(PathConvertor):
    """`{path:file}` in a route: as `path`, of a file whose name may have line ends."""

    regex = r"[\s\S]*"


register_url_convertor("file", _FilePath())


def first_byte(range_: Annotated[str | None, Header(alias="Range")] = None) -> int | None:
    """Where a download is to go on; ranges of other forms are passed over, as HTTP allows."""
    match = _RANGE.fullmatch(range_ or "")
    return int(match[1]) if match else None


FirstByte = Annotated[int | None, Depends(first_byte)]


def streamed(file: BinaryIO, start: int | None, what: str) -> StreamingResponse:
    """All of `file`, or its rest from byte `start` on; it is closed then. `what` names it in the error."""
    size = file.seek(0, os.SEEK_END)
    if start is not None and start > size:
        file.close()
        raise invalid(f"{what} has {size} bytes: it cannot be read from byte {start} on")
    file.seek(start or 0)
    headers = {"Content-Length": str(size - (start or 0))}
    if start is not None:
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    status = 200 if start is None else 206
    return StreamingResponse(_chunks(file, size - (start or 0)), status, headers, media_type="application/octet-stream")


def _chunks(file: BinaryIO, left: int) -> Iterator[bytes]:
    """As many bytes as were announced: a log may grow meanwhile."""
    with file:
        while left and (chunk := file.read(min(left, _CHUNK))):
            left -= len(chunk)
            yield chunk

"""Artifacts over HTTP: what is missing, blobs, trees."""

import os
import re
from collections.abc import Iterator
from typing import Annotated, BinaryIO

from anyio import from_thread, to_thread
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from penstock.api.services import Actor, Platform
from penstock.domain.artifact import Tree, check_digest
from penstock.domain.errors import invalid

router = APIRouter(prefix="/artifacts", tags=["artifacts"])


_CHUNK = 1024 * 1024  # bytes
_RANGE = re.compile(r"bytes=(\d{1,18})-")


def first_byte(range_: Annotated[str | None, Header(alias="Range")] = None) -> int | None:
    """Where a download is to go on; ranges of other forms are passed over, as HTTP allows."""
    match = _RANGE.fullmatch(range_ or "")
    return int(match[1]) if match else None


FirstByte = Annotated[int | None, Depends(first_byte)]


class Digests(BaseModel):
    digests: list[str] = Field(max_length=100_000)


class Missing(BaseModel):
    missing: list[str]


@router.post("/missing")
def missing(request: Digests, platform: Platform, _: Actor) -> Missing:
    """Those blobs that have to be sent."""
    return Missing(missing=list(platform.artifacts.missing([check_digest(d) for d in request.digests])))


@router.put("/blobs/{digest}", status_code=204)
async def put_blob(digest: str, request: Request, platform: Platform, _: Actor) -> Response:
    """Store a blob as it comes; it is kept only if it has the digest."""
    stream = request.stream()

    def chunks() -> Iterator[bytes]:
        """The body, for a thread: each chunk is waited for on the event loop."""
        size = 0
        while chunk := from_thread.run(anext, stream, b""):
            size += len(chunk)
            if size > platform.max_blob_bytes:
                raise invalid(f"blob {digest} is larger than {platform.max_blob_bytes} bytes")
            yield chunk

    await to_thread.run_sync(lambda: platform.artifacts.put_blob(check_digest(digest), chunks()))
    return Response(status_code=204)


@router.get("/blobs/{digest}")
def get_blob(digest: str, platform: Platform, _: Actor, start: FirstByte) -> StreamingResponse:
    """A blob, or with `Range: bytes=N-` its rest, so that a download that broke off can go on."""
    blob = platform.artifacts.open_blob(check_digest(digest))
    size = blob.seek(0, os.SEEK_END)
    if start is not None and start > size:
        blob.close()
        raise invalid(f"blob {digest} has {size} bytes: it cannot be read from byte {start} on")
    blob.seek(start or 0)
    headers = {"Content-Length": str(size - (start or 0))}
    if start is not None:
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    status = 200 if start is None else 206
    return StreamingResponse(_chunks(blob), status, headers, media_type="application/octet-stream")


@router.get("/trees/{digest}")
def get_tree(digest: str, platform: Platform, _: Actor) -> Tree:
    return platform.artifacts.tree(check_digest(digest))


@router.put("/trees/{digest}", status_code=204)
def put_tree(digest: str, tree: Tree, platform: Platform, _: Actor) -> Response:
    """Store a tree all of whose blobs are here."""
    if tree.digest() != check_digest(digest):
        raise invalid(f"the tree that was sent has digest {tree.digest()}, not {digest}")
    platform.artifacts.put_tree(tree)
    return Response(status_code=204)


def _chunks(blob: BinaryIO) -> Iterator[bytes]:
    with blob:
        while chunk := blob.read(_CHUNK):
            yield chunk

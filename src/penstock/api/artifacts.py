"""Artifacts over HTTP: what is missing, blobs, trees."""

import tempfile
from collections.abc import Iterator
from typing import IO

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from penstock.api.services import Actor, Platform
from penstock.domain.artifact import Tree, check_digest
from penstock.domain.errors import invalid

router = APIRouter(prefix="/artifacts", tags=["artifacts"])

_CHUNK = 1024 * 1024
_IN_MEMORY = 4 * 1024 * 1024


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
    """Store a blob. The body is spooled to the disk as it comes, and kept only if it has the digest."""
    check_digest(digest)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > platform.max_blob_bytes:
                raise invalid(f"blob {digest} is larger than {platform.max_blob_bytes} bytes")
            spool.write(chunk)
        spool.seek(0)
        await run_in_threadpool(lambda: platform.artifacts.put_blob(digest, _chunks(spool)))
    return Response(status_code=204)


@router.put("/trees/{digest}", status_code=204)
def put_tree(digest: str, tree: Tree, platform: Platform, _: Actor) -> Response:
    """Store a tree all of whose blobs are here."""
    if tree.digest() != check_digest(digest):
        raise invalid(f"the tree that was sent has digest {tree.digest()}, not {digest}")
    platform.artifacts.put_tree(tree)
    return Response(status_code=204)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk

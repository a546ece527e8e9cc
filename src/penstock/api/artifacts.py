"""Artifacts over HTTP: what is missing, blobs, trees."""

from collections.abc import Iterator

from anyio import from_thread, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from penstock.api.downloads import FirstByte, streamed
from penstock.api.services import Actor, Platform
from penstock.domain.artifact import Tree, check_digest
from penstock.domain.errors import invalid

router = APIRouter(prefix="/artifacts", tags=["artifacts"])


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
    return streamed(blob, start, f"blob {digest}")


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

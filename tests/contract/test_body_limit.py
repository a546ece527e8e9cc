"""The API reads no more of a body than it bears."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from penstock.api.limits import MAX_BODY_BYTES, BodyLimit

PIECE = b"x" * 1024 * 1024


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body and answers with its size."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield PIECE


def put(path: str, count: int, headers: dict[str, str] | None = None) -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(BodyLimit(application))
        async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
            return await client.put(path, content=pieces(count), headers=headers)

    return asyncio.run(call())


TOO_MANY = MAX_BODY_BYTES // len(PIECE) + 1


@pytest.mark.parametrize("headers", [None, {"Content-Length": str(MAX_BODY_BYTES + 1)}], ids=["chunked", "declared"])
def test_a_body_that_is_too_large_is_413(headers: dict[str, str] | None) -> None:
    answer = put("/api/v1/models", TOO_MANY, headers)
    assert answer.status_code == 413
    assert "artifacts" in answer.json()["error"]["message"]


def test_a_body_of_the_largest_size_passes() -> None:
    assert put("/api/v1/models", TOO_MANY - 1).text == str(MAX_BODY_BYTES)


def test_blobs_have_a_bound_of_their_own() -> None:
    assert put("/api/v1/artifacts/blobs/0", TOO_MANY).text == str(TOO_MANY * len(PIECE))

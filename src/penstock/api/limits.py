"""A bound on the size of what clients send, before anything reads it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.api.errors import answer
from penstock.domain.errors import PenstockError, invalid

MAX_BODY_BYTES = 32 * 1024 * 1024  # room for a tree of 100,000 files
# Streamed to the disk: ours with a bound of their own, those of models' files with that of MLflow's store.
_UNBOUNDED = (
    "/api/v1/artifacts/blobs/",
    "/mlflow/api/2.0/mlflow-artifacts/artifacts/",
    "/mlflow/ajax-api/2.0/mlflow-artifacts/artifacts/",
)


class BodyLimit:
    """Answers 413 to a body that is declared, or turns out, to be larger than `MAX_BODY_BYTES`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNBOUNDED):
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            await self._refuse(scope, receive, send)
            return
        size, begun = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise _too_large()
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except PenstockError:
            if begun:
                raise
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = answer(_too_large())
        response.status_code = 413
        await response(scope, receive, send)


def _too_large() -> PenstockError:
    return invalid(f"the request is larger than {MAX_BODY_BYTES} bytes; files travel as artifacts, piece by piece")

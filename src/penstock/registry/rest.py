"""MLflow's REST interface: JSON calls and artifacts, with its errors turned into ours."""

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx

from penstock.domain.errors import Code, PenstockError

_TIMEOUT = httpx.Timeout(60.0, connect=2.0)
_RETRY_AFTER = "1"  # seconds
_CODES = {
    "RESOURCE_DOES_NOT_EXIST": Code.NOT_FOUND,
    "RESOURCE_ALREADY_EXISTS": Code.CONFLICT,
    "INVALID_PARAMETER_VALUE": Code.INVALID,
    "BAD_REQUEST": Code.INVALID,
}
_MOST_PAGES = 1000
_NOT_FOUND = 404


class MlflowRest:
    """Calls to the server whose base URL `url` gives, which raises `unavailable` while there is none.

    With `socket`, the server listens on that unix socket, and the URL's host is just a name.
    Paths are those below `/api/2.0/mlflow`. Safe for several threads.
    """

    def __init__(self, url: Callable[[], str], socket: Path | None = None) -> None:
        self._url = url
        # For plain HTTP no certificates are loaded: that takes longer than most calls.
        transport = httpx.HTTPTransport(
            uds=str(socket) if socket else None, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        self._http = httpx.Client(transport=transport, timeout=_TIMEOUT, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        return self._call("GET", path, params=query)

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        return self._call("POST", path, json=fields)

    def patch(self, path: str, **fields: Any) -> dict[str, Any]:
        return self._call("PATCH", path, json=fields)

    def delete(self, path: str, **fields: Any) -> dict[str, Any]:
        return self._call("DELETE", path, json=fields)

    def pages(self, path: str, items: str, **query: str | int) -> Iterator[dict[str, Any]]:
        """Every item of a paged search."""
        token = ""
        for _ in range(_MOST_PAGES):
            answer = self.get(path, **query, **({"page_token": token} if token else {}))
            yield from cast(list[dict[str, Any]], answer.get(items, ()))
            token = str(answer.get("next_page_token") or "")
            if not token:
                return

    def list_artifacts(self, place: str) -> Sequence[Mapping[str, Any]]:
        """What lies directly in the folder `place` of the artifact store: `path`, `is_dir`, `file_size`."""
        answer = self._decoded(self._send("GET", self._artifact_url(""), params={"path": place}))
        return cast(list[dict[str, Any]], answer.get("files", ()))

    def read_artifact(self, place: str) -> Iterator[bytes]:
        url = self._artifact_url(place)
        try:
            with self._http.stream("GET", url) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _error(answer)
                yield from answer.iter_bytes()
        except httpx.HTTPError as err:
            raise _unreachable(err) from err

    def write_artifact(self, place: str, content: Iterator[bytes], size: int) -> None:
        # Without a length the body would come in chunks, of which MLflow's server makes an empty file.
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._decoded(self._send("PUT", self._artifact_url(place), content=content, headers=headers))

    def _artifact_url(self, place: str) -> str:
        tail = f"/{quote(place)}" if place else ""
        return f"{self._url()}/api/2.0/mlflow-artifacts/artifacts{tail}"

    def _call(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        return self._decoded(self._send(method, f"{self._url()}/api/2.0/mlflow{path}", **sent))

    def _send(self, method: str, url: str, **sent: Any) -> httpx.Response:
        try:
            return self._http.request(method, url, **sent)
        except httpx.HTTPError as err:
            raise _unreachable(err) from err

    def _decoded(self, answer: httpx.Response) -> dict[str, Any]:
        if not answer.is_success:
            raise _error(answer)
        try:
            return cast(dict[str, Any], answer.json()) if answer.content else {}
        except ValueError as err:
            raise PenstockError(Code.INTERNAL, "the model registry (MLflow) answered without JSON") from err


def _unreachable(err: httpx.HTTPError) -> PenstockError:
    what = f"the model registry (MLflow) does not answer ({type(err).__name__}); it is started again if it has died"
    return PenstockError(Code.UNAVAILABLE, what, {"retry_after": _RETRY_AFTER})


def _error(answer: httpx.Response) -> PenstockError:
    try:
        body: object = answer.json()
    except ValueError:
        body = None
    told: Mapping[str, Any] = cast(Mapping[str, Any], body) if isinstance(body, Mapping) else {}
    code = _CODES.get(str(told.get("error_code")))
    message = str(told.get("message") or f"{answer.status_code} {answer.reason_phrase}")[:2000]
    if code is not None:
        return PenstockError(code, f"model registry (MLflow): {message}")
    if answer.status_code == _NOT_FOUND:
        return PenstockError(Code.NOT_FOUND, f"model registry (MLflow): {message}")
    full = f"the model registry (MLflow) failed: {message}; see logs/mlflow.log in the home folder"
    return PenstockError(Code.UNAVAILABLE, full, {"retry_after": _RETRY_AFTER})

"""HTTP to the platform: the token, bounded retries, timeouts on everything, and errors turned back into ours."""

import getpass
import json
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple, TypedDict, cast
from urllib.parse import quote

# httpx imports its own command line, and rich for it, wherever rich is installed: 70 ms that no command of ours needs.
# With None in its place the import fails, which httpx is prepared for.
sys.modules.setdefault("httpx._main", cast(Any, None))

import httpx  # noqa: E402

from penstock.client.address import LOOPBACK, Address  # noqa: E402
from penstock.domain.errors import Code, PenstockError, invalid, unavailable  # noqa: E402

_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_FIRST_PATIENCE = 1.0  # seconds of retries before the platform has answered once: it is probably not running
_PATIENCE = 20.0  # seconds of retries after it has: it is probably being restarted
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0  # seconds
_PATIENCE_IF_ASKED = 600.0  # seconds of waiting for a platform that says when to come again: something starts
_LONGEST_ASKED = 5.0  # seconds; whoever is to come again later than that is better told why
_PARTIAL, _UNAVAILABLE = 206, 503
_RETRIED_STATUSES = frozenset({502, _UNAVAILABLE, 504})
_CODES = {
    400: Code.INVALID,
    401: Code.DENIED,
    403: Code.DENIED,
    404: Code.NOT_FOUND,
    409: Code.CONFLICT,
    412: Code.CONFLICT,
    413: Code.INVALID,
    422: Code.INVALID,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}

Content = Callable[[], bytes | Iterable[bytes]]  # called once per attempt
Outcome = httpx.Response | httpx.HTTPError
OnWaiting = Callable[[str], None]  # is told what is being waited for, each time anew


class Transport:
    """One connection pool to one platform. Calls may come from any thread.

    `on_waiting` is called before each pause that the platform asks for, such as while its model registry starts.
    """

    def __init__(
        self,
        address: Address,
        *,
        http: httpx.BaseTransport | None = None,
        on_waiting: OnWaiting = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self._on_waiting = on_waiting
        self._sleep = sleep
        self._clock = clock
        self._answered = False
        headers = {"X-Penstock-Actor": _actor(), "Accept": "application/json"}
        if address.token:
            headers["Authorization"] = f"Bearer {address.token}"
        self._http = httpx.Client(headers=headers, timeout=_TIMEOUT, transport=http, **reach(address.url))

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, query: Mapping[str, str | int | bool | None] | None = None) -> Any:
        return self._decoded(self.send("GET", path, query=query))

    def post(self, path: str, data: Any = None, query: Mapping[str, str | int | bool | None] | None = None) -> Any:
        content = json.dumps(data).encode() if data is not None else b""
        return self._decoded(self.send("POST", path, content=lambda: content, query=query))

    def patch(self, path: str, data: Any) -> Any:
        content = json.dumps(data).encode()
        return self._decoded(self.send("PATCH", path, content=lambda: content))

    def put(
        self,
        path: str,
        content: bytes,
        *,
        query: Mapping[str, str | int | bool | None] | None = None,
        if_match: int | None = None,
    ) -> Any:
        """`if_match` is the generation that must be the present one."""
        headers = {} if if_match is None else {"If-Match": str(if_match)}
        return self._decoded(self.send("PUT", path, content=lambda: content, query=query, headers=headers))

    def delete(self, path: str) -> Any:
        return self._decoded(self.send("DELETE", path))

    def send(
        self,
        method: str,
        path: str,
        *,
        content: Content = bytes,
        query: Mapping[str, str | int | bool | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to one call; raises PenstockError for anything but a 2xx.

        Tried again while that may help: every call of the API may be repeated without a second effect.
        """
        return self._repeated(lambda: self._attempt(self._request(method, path, content(), query or {}, headers or {})))

    def stream(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The body of the answer to a GET, in pieces; after a connection that broke it goes on where it was."""
        received = 0
        while True:
            fault, before = None, received
            with closing(self._repeated(partial(self._opened, path, query or {}, received))) as answer:
                if received and answer.status_code != _PARTIAL:
                    raise unavailable(f"{answer.request.url} cannot be read from its middle; try again")
                try:
                    for chunk in answer.iter_raw():
                        received += len(chunk)
                        yield chunk
                except httpx.RequestError as err:
                    fault = err
            if fault is None:
                return
            if received == before:
                raise self._unreachable(fault) from fault

    def _opened(self, path: str, query: Mapping[str, str], start: int) -> tuple[Outcome, bool]:
        """A try at the answer from byte `start` on, its body not read yet; that of an error is."""
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        outcome, again = self._attempt(self._request("GET", path, b"", query, headers), stream=True)
        if isinstance(outcome, httpx.Response) and not outcome.is_success:
            try:
                outcome.read()
            except httpx.RequestError as err:
                return err, True
        return outcome, again

    def _repeated(self, attempt: Callable[[], tuple[Outcome, bool]]) -> httpx.Response:
        """The answer to the first attempt that has one, or to the last one that there is patience for."""
        began = since = self._clock()
        pause = _FIRST_PAUSE
        while True:
            outcome, again = attempt()
            asked = _asked(outcome)
            if asked is not None and self._clock() - began + asked.seconds <= _PATIENCE_IF_ASKED:
                self._on_waiting(asked.reason)
                self._sleep(asked.seconds)
                since, pause = self._clock(), _FIRST_PAUSE
                continue
            patience = _PATIENCE if self._answered else _FIRST_PATIENCE
            if again and asked is None and self._clock() - since + pause <= patience:
                self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if isinstance(outcome, httpx.HTTPError):
                raise self._unreachable(outcome) from outcome
            if not outcome.is_success:
                raise _error(outcome)
            return outcome

    def _request(
        self,
        method: str,
        path: str,
        content: bytes | Iterable[bytes],
        query: Mapping[str, str | int | bool | None],
        headers: Mapping[str, str],
    ) -> httpx.Request:
        sent = {"Content-Type": "application/json", **headers} if content else dict(headers)
        params = {name: value for name, value in query.items() if value is not None}
        url = f"{self.address.url}/api/v1{path}"
        return self._http.build_request(method, url, content=content, params=params, headers=sent)

    def _attempt(self, request: httpx.Request, *, stream: bool = False) -> tuple[Outcome, bool]:
        """One try: an answer or an error, and whether another try may do better."""
        try:
            answer = self._http.send(request, stream=stream)
        except httpx.RequestError as err:
            # A connection that broke had a platform at its other end, which is probably being restarted.
            self._answered = self._answered or isinstance(err, (httpx.RemoteProtocolError, httpx.ReadError))
            self.address = self.address.after_failure()
            return err, not isinstance(err, (httpx.UnsupportedProtocol, httpx.ProxyError, httpx.DecodingError))
        self._answered = self._answered or answer.is_success
        return answer, answer.status_code in _RETRIED_STATUSES

    def _unreachable(self, err: httpx.HTTPError) -> PenstockError:
        url = self.address.url
        if isinstance(err, (httpx.ConnectError, httpx.ConnectTimeout)):
            return unavailable(f"no platform answers at {url}; start it with `penstock up`, or set PENSTOCK_URL")
        if isinstance(err, httpx.TimeoutException):
            return unavailable(f"the platform at {url} did not answer in time; try again, or see its log")
        return unavailable(f"the connection to the platform at {url} broke ({err}); try again")

    def _decoded(self, answer: httpx.Response) -> Any:
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise unavailable(f"{self.address.url} answered without JSON: is it a Penstock platform?") from None


class Reach(TypedDict):
    """How httpx gets to a URL."""

    trust_env: bool
    verify: ssl.SSLContext | bool


def reach(url: str) -> Reach:
    """Directly to this very machine, past any proxy of the environment; to others as the environment says.

    For plain HTTP on this machine no certificates are loaded: that takes longer than most calls.
    """
    parts = httpx.URL(url)
    if parts.host not in LOOPBACK:
        return {"trust_env": True, "verify": True}
    return {"trust_env": False, "verify": parts.scheme == "https" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}


def segment(name: str) -> str:
    """`name` as one part of a URL's path. Raises `invalid` for names that would lead elsewhere."""
    if name in ("", ".", ".."):
        raise invalid(f"{name!r} is not a name")
    return quote(name, safe="")


class _Asked(NamedTuple):
    seconds: float
    reason: str


def _asked(outcome: Outcome) -> _Asked | None:
    """How long the platform asks to wait before the same call, if it asks that and it is worth it."""
    if not isinstance(outcome, httpx.Response) or outcome.status_code != _UNAVAILABLE:
        return None
    error = _error(outcome)
    try:
        seconds = float(error.details.get("retry_after", ""))
    except ValueError:
        return None
    return _Asked(max(seconds, _FIRST_PAUSE), error.message) if seconds <= _LONGEST_ASKED else None


def _error(answer: httpx.Response) -> PenstockError:
    """The platform's own error; or, where something else answered, one made from the status."""
    code = _CODES.get(answer.status_code, Code.INTERNAL)
    fallback = f"{answer.request.url.copy_with(query=None)} answered {answer.status_code} {answer.reason_phrase}"
    try:
        body: object = answer.json()
    except ValueError:
        body = None
    error = cast(Mapping[str, Any], body).get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return PenstockError(code, fallback)
    told = cast(Mapping[str, Any], error)
    details: object = told.get("details")
    pairs: Mapping[str, Any] = cast(Mapping[str, Any], details) if isinstance(details, Mapping) else {}
    known = {c.value: c for c in Code}
    return PenstockError(
        known.get(str(told.get("code")), code),
        str(told.get("message") or fallback),
        {str(name): str(value) for name, value in pairs.items()},
    )


def _actor() -> str:
    """Who calls, for the audit trail; not a credential."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}".encode("ascii", "replace").decode()

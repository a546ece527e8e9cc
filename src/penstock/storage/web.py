"""Single files of web servers."""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

import httpx

from penstock.domain.errors import PenstockError, conflict, invalid, unavailable
from penstock.storage.failures import status_code
from penstock.storage.objects import Info

_TIMEOUT = httpx.Timeout(60, connect=10)
_AS_IT_LIES = {"Accept-Encoding": "identity"}  # so that the length is that of the file


class Web:
    """Calls may come from any thread. They raise `not_found`, `denied`, `invalid`, `unavailable`."""

    def __init__(self) -> None:
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=True, headers=_AS_IT_LIES)

    def info(self, url: str) -> Info:
        """`size` is -1 where the server does not say it."""
        try:
            answer = self._client.head(url)
            if answer.status_code in (405, 501):
                with self._client.stream("GET", url) as answer:
                    return _info(url, answer)
        except (httpx.HTTPError, httpx.InvalidURL) as err:
            raise _failure(url, err) from err
        return _info(url, answer)

    def download(self, download: "Download") -> int:
        """Have the rest of a file; how many bytes it has in all. Raises `conflict` if it is of another version."""
        url = download.url
        try:
            with self._client.stream("GET", url, headers=download.headers) as answer:
                download.begin(_info(url, answer), answer)
                for chunk in answer.iter_bytes():
                    download.take(chunk)
        except (httpx.HTTPError, httpx.InvalidURL) as err:
            raise _failure(url, err) from err
        return download.offset

    def close(self) -> None:
        self._client.close()


class Download:
    """A file of a web server that comes in one go, or goes on from `offset` where the connection broke off."""

    def __init__(self, url: str, version: str, write: Callable[[bytes, int], None], clear: Callable[[], None]) -> None:
        self.url = url
        self.offset = 0
        self._version = version
        self._encoded = False  # it is sent otherwise than it lies, and offsets mean something else
        self._write = write
        self._clear = clear

    @property
    def headers(self) -> Mapping[str, str]:
        """Only what has an ETag can be had in pieces: the server gives all of it if it has another one now."""
        kind, _, tag = self._version.partition(":")
        if not self.offset or self._encoded or kind != "etag" or tag.startswith("W/"):
            return {}
        return {"Range": f"bytes={self.offset}-", "If-Range": f'"{tag}"'}

    def begin(self, found: Info, answer: httpx.Response) -> None:
        """Look at what the server is about to send. Raises `conflict` if it is of another version."""
        if self._version and found.version != self._version:
            raise conflict(f"{self.url} has changed")
        self._encoded = found.size < 0 and "content-encoding" in answer.headers
        goes_on = answer.headers.get("content-range", "").startswith(f"bytes {self.offset}-")
        if not (answer.status_code == 206 and goes_on):
            self._clear()
            self.offset = 0

    def take(self, chunk: bytes) -> None:
        self._write(chunk, self.offset)
        self.offset += len(chunk)


def name_of(url: str) -> str:
    """What the file is called. Raises `invalid` for a folder, which web servers do not list."""
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if not name:
        raise invalid(f"{url} names no file: web servers do not list folders, so name one file")
    return name.replace("\0", "_")


def _info(url: str, answer: httpx.Response) -> Info:
    code = status_code(answer.status_code)
    if code is not None:
        raise PenstockError(code, f"{url} cannot be read: the server answers {answer.status_code}")
    length = answer.headers.get("content-length", "")
    encoded = answer.headers.get("content-encoding", "identity") != "identity"
    return Info(url, int(length) if length.isdecimal() and not encoded else -1, _version(answer))


def _version(answer: httpx.Response) -> str:
    """Of one that tells neither ETag nor time, the length; empty if it does not tell that either."""
    etag, modified = answer.headers.get("etag"), answer.headers.get("last-modified")
    if etag:
        return f"etag:{etag.strip(chr(34))}"
    if modified:
        try:
            return f"modified:{parsedate_to_datetime(modified).isoformat()}"
        except ValueError:
            return f"modified:{modified}"
    length = answer.headers.get("content-length")
    return f"length:{length}" if length else ""


def _failure(url: str, error: Exception) -> PenstockError:
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects)):
        return invalid(f"{url} cannot be read: {error}")
    return unavailable(f"{url} cannot be reached just now: {error or type(error).__name__}")

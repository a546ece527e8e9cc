"""What Azure's scoring scripts import to take the request itself: `rawhttp` and `AMLRequest`.

`AMLRequest` has of Flask's request what scripts use. Where Flask is installed, run() gets Flask's own.
"""

from __future__ import annotations

import io
import json
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Callable, TypeVar
from urllib.parse import parse_qsl

from penstock_worker.forms import Form, media_type
from penstock_worker.multi import Headers, MultiDict

if TYPE_CHECKING:
    from penstock_worker.forms import Upload
    from penstock_worker.messages import Request

_Function = TypeVar("_Function", bound=Callable[..., Any])
_LOCAL = "127.0.0.1"  # the gateway: callers are further away


class _Asked:
    """Whether a script has used `rawhttp`: of the whole process, as decorators above it may hide the function."""

    raw = False


def rawhttp(function: _Function) -> _Function:
    """Mark run() as one that takes the request itself."""
    _Asked.raw = True
    return function


def raw_is_asked_for() -> bool:
    return _Asked.raw


def forget_raw() -> None:
    """Before a script is loaded."""
    _Asked.raw = False


class AMLRequest:
    """A request as scripts with `@rawhttp` read it."""

    scheme = "http"
    is_secure = False
    script_root = root_path = ""
    remote_addr = _LOCAL
    remote_user = None
    endpoint = None

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.path = request.path
        self.query_string = request.query.encode("latin-1")
        self.headers = Headers(
            (name.decode("latin-1").title(), value.decode("latin-1")) for name, value in request.headers.items()
        )
        self._body = request.body

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    @property
    def mimetype(self) -> str:
        return media_type(self.content_type or "")[0]

    @property
    def mimetype_params(self) -> dict[str, str]:
        return media_type(self.content_type or "")[1]

    @property
    def content_length(self) -> int | None:
        return self.headers.get("content-length", type=int)

    @property
    def content_encoding(self) -> str | None:
        return self.headers.get("content-encoding")

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    @property
    def host_url(self) -> str:
        return f"{self.scheme}://{self.host}/"

    url_root = root_url = host_url

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def url(self) -> str:
        return f"{self.base_url}?{self._query}" if self._query else self.base_url

    @property
    def full_path(self) -> str:
        return f"{self.path}?{self._query}"

    @property
    def user_agent(self) -> str:
        return self.headers.get("user-agent", "")

    @property
    def referrer(self) -> str | None:
        return self.headers.get("referer")

    @property
    def access_route(self) -> list[str]:
        forwarded = self.headers.get("x-forwarded-for")
        return [part.strip() for part in forwarded.split(",")] if forwarded else [self.remote_addr]

    @cached_property
    def args(self) -> MultiDict[str]:
        """The query's fields."""
        return MultiDict(parse_qsl(self._query, keep_blank_values=True))

    @property
    def form(self) -> MultiDict[str]:
        return self._form.fields

    @property
    def files(self) -> MultiDict[Upload]:
        return self._form.files

    @cached_property
    def values(self) -> MultiDict[str]:
        """The fields of the query, then those of the form."""
        return MultiDict([*self.args.items(multi=True), *self.form.items(multi=True)])

    @cached_property
    def cookies(self) -> MultiDict[str]:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(self.headers.get("cookie", ""))
        except CookieError:
            return MultiDict()
        return MultiDict((name, cookie.value) for name, cookie in jar.items())

    @cached_property
    def stream(self) -> io.BytesIO:
        return io.BytesIO(self._body)

    @property
    def data(self) -> bytes:
        """The body; empty if it is a form, as with Flask."""
        return self.get_data(parse_form_data=True)

    def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> Any:
        """The body as bytes, or as text. With `parse_form_data` nothing is left of a form."""
        is_form = parse_form_data and (len(self.form) > 0 or len(self.files) > 0)
        body = b"" if is_form else self._body
        return body.decode("utf-8", "replace") if as_text else body

    @property
    def is_json(self) -> bool:
        return is_json(self.content_type or "")

    @property
    def json(self) -> Any:
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body's JSON; raises ValueError for another content type, unless `force`, and for what is no JSON."""
        if not (force or self.is_json):
            if silent:
                return None
            raise ValueError("the request's Content-Type is not application/json: use get_json(force=True)")
        try:
            return json.loads(self._body)
        except ValueError:
            if silent:
                return None
            raise

    def __repr__(self) -> str:
        return f"<AMLRequest {self.method} {self.path}>"

    @property
    def _query(self) -> str:
        return self.query_string.decode("latin-1")

    @cached_property
    def _form(self) -> Form:
        return Form(self.content_type or "", self._body)


def is_json(content_type: str) -> bool:
    """True for JSON's types: `application/json`, and those that end in `+json`."""
    mimetype = media_type(content_type)[0]
    return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))

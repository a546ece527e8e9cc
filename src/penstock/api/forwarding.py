"""What passes through the proxies to MLflow and to the leader, and what does not: paths and headers. Pure."""

from collections.abc import Iterable, Sequence

from penstock.domain.errors import not_found

PREFIX = b"/mlflow"
Headers = Sequence[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"}
    | {b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
# What opens the platform is not for MLflow; nor is what would have it judge the request's way here, which we have
# done. Cookies are shared by all ports of a host, so that the others are not for it either.
_OURS = frozenset({b"host", b"authorization", b"cookie", b"origin", b"referer", b"expect", b"forwarded", b"x-real-ip"})
_WAY = b"x-forwarded-"
_ADDED = frozenset({b"date", b"server"})  # by our own server


def target(raw_path: bytes, query: bytes) -> bytes:
    """The path and query that MLflow is asked for. Raises `not_found` if the prefix is written in another way."""
    if not raw_path.startswith(PREFIX + b"/"):
        raise not_found(f"{raw_path[:200].decode('ascii', 'replace')} is not there; MLflow is at /mlflow/")
    path = raw_path.removeprefix(PREFIX)
    return path + b"?" + query if query else path


def request_headers(headers: Headers) -> Headers:
    dropped = _HOP_BY_HOP | _OURS | _named_by_connection(headers)
    kept = [(n, v) for n, v in headers if n.lower() not in dropped and not n.lower().startswith(_WAY)]
    return [(b"host", b"localhost"), *kept]


def response_headers(headers: Headers) -> Headers:
    """Redirects lead back through the proxy."""
    dropped = _HOP_BY_HOP | _ADDED | _named_by_connection(headers)
    return [
        (n.lower(), _location(v) if n.lower() == b"location" else v) for n, v in headers if n.lower() not in dropped
    ]


def passed_on(headers: Headers) -> Headers:
    """Headers of a request for another control plane of the same platform: all that are not of this connection."""
    dropped = _HOP_BY_HOP | {b"expect"} | _named_by_connection(headers)
    return [(n, v) for n, v in headers if n.lower() not in dropped]


def passed_back(headers: Headers) -> Headers:
    """Headers of its answer."""
    dropped = _HOP_BY_HOP | _ADDED | _named_by_connection(headers)
    return [(n.lower(), v) for n, v in headers if n.lower() not in dropped]


def has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        n.lower() == b"transfer-encoding" or (n.lower() == b"content-length" and v.strip() != b"0") for n, v in headers
    )


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    values = b",".join(value for name, value in headers if name.lower() == b"connection")
    return frozenset(name.strip().lower() for name in values.split(b","))


def _location(value: bytes) -> bytes:
    path = value.removeprefix(b"http://localhost")
    return PREFIX + path if path.startswith(b"/") and not path.startswith(b"//") else value

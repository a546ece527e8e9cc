"""Which headers and paths pass through the proxy to MLflow."""

import pytest

from penstock.api.forwarding import has_body, request_headers, response_headers, target
from penstock.domain.errors import PenstockError


def test_what_opens_the_platform_stays_here() -> None:
    sent = [
        (b"Host", b"platform:8700"),
        (b"Authorization", b"Bearer secret"),
        (b"Cookie", b"penstock_session=secret; other=secret"),
        (b"Content-Type", b"application/json"),
    ]
    assert request_headers(sent) == [(b"host", b"localhost"), (b"Content-Type", b"application/json")]


@pytest.mark.parametrize("name", [b"Origin", b"X-Forwarded-For", b"Forwarded", b"X-Real-IP", b"Expect"])
def test_what_tells_of_the_way_here_stays_here(name: bytes) -> None:
    assert request_headers([(name, b"x")]) == [(b"host", b"localhost")]


def test_headers_of_one_connection_end_with_it() -> None:
    headers = [
        (b"Connection", b"close, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"X-Kept", b"1"),
        (b"X-Kept", b"2"),
    ]
    assert request_headers(headers)[1:] == [(b"X-Kept", b"1"), (b"X-Kept", b"2")]
    assert response_headers(headers) == [(b"x-kept", b"1"), (b"x-kept", b"2")]


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        (b"http://localhost/graphql/", b"/mlflow/graphql/"),
        (b"/graphql/", b"/mlflow/graphql/"),
        (b"https://bucket.example/file?signature=1", b"https://bucket.example/file?signature=1"),
        (b"//elsewhere/", b"//elsewhere/"),
    ],
)
def test_redirects_lead_back_through_the_proxy(location: bytes, seen: bytes) -> None:
    assert response_headers([(b"Location", location)]) == [(b"location", seen)]


def test_paths_keep_their_spelling() -> None:
    assert target(b"/mlflow/api/a%2Fb%20c", b"x=%2F&y") == b"/api/a%2Fb%20c?x=%2F&y"
    assert target(b"/mlflow/", b"") == b"/"
    with pytest.raises(PenstockError):
        target(b"/%6Dlflow/api", b"")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], False),
        ([(b"Content-Length", b"0")], False),
        ([(b"Content-Length", b"5")], True),
        ([(b"Transfer-Encoding", b"chunked")], True),
    ],
)
def test_a_body_is_announced_by_its_headers(headers: list[tuple[bytes, bytes]], *, body: bool) -> None:
    assert has_body(headers) is body

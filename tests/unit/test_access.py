"""What opens the platform, and what a page of another address may do with it."""

import base64

import pytest

from penstock.access import Access, from_same_site

ACCESS = Access("the-token")


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    "header", ["Bearer the-token", "bearer the-token", basic("anybody:the-token"), basic(":the-token")]
)
def test_the_token_opens(header: str) -> None:
    assert ACCESS.by_header(header)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer other", "the-token", basic("the-token:"), basic("the-token"), "Basic %%%", "Basic /w=="],
)
def test_nothing_else_does(header: str) -> None:
    assert not ACCESS.by_header(header)


def test_a_session_ends_with_the_token_that_it_was_given_for() -> None:
    assert ACCESS.by_session(ACCESS.session)
    assert not Access("another").by_session(ACCESS.session)
    assert not ACCESS.by_session("")
    assert "the-token" not in ACCESS.session + repr(ACCESS)


@pytest.mark.parametrize(
    ("method", "origin", "fetch_site", "allowed"),
    [
        pytest.param("GET", "http://evil", "cross-site", True, id="reading changes nothing"),
        pytest.param("POST", "http://h:1", "same-origin", True, id="our own page"),
        pytest.param("POST", "http://h:1", None, True, id="our own page in a browser that says less"),
        pytest.param("POST", "http://evil", "cross-site", False, id="another site's page"),
        pytest.param("POST", "http://h:2", "same-site", False, id="a page of another port"),
        pytest.param("DELETE", "http://h:2", None, False, id="a page of another port in a browser that says less"),
        pytest.param("POST", None, None, False, id="nobody knows"),
        pytest.param("POST", "null", None, False, id="a page without an address"),
    ],
)
def test_a_session_changes_things_from_our_own_pages_only(
    method: str, origin: str | None, fetch_site: str | None, *, allowed: bool
) -> None:
    assert from_same_site(method, host="h:1", origin=origin, fetch_site=fetch_site) is allowed

"""Who may come in: with the platform's token, or with the session that a browser was given for it. Pure.

Secrets are compared in constant time.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SESSION_COOKIE = "penstock_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Access:
    """What opens the platform of this `token`."""

    token: str = field(repr=False)

    @property
    def session(self) -> str:
        """The session cookie's value. It is derived from the token, so that a new token ends all sessions."""
        return hmac.new(self.token.encode(), b"penstock dashboard", hashlib.sha256).hexdigest()

    def by_token(self, given: str) -> bool:
        return hmac.compare_digest(given.strip().encode(), self.token.encode())

    def by_session(self, cookie: str) -> bool:
        return hmac.compare_digest(cookie.encode(), self.session.encode())

    def by_header(self, authorization: str) -> bool:
        """True for `Bearer TOKEN`, and for `Basic` with the token as password of any user."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self.by_token(given)
        return scheme.lower() == "basic" and self.by_token(_password(given))


def from_same_site(method: str, *, host: str, origin: str | None, fetch_site: str | None) -> bool:
    """False for a browser's request that may change something and comes from a page of another address.

    Browsers send cookies along with those; other ports of this machine count as another address.
    """
    if method in _SAFE_METHODS:
        return True
    if fetch_site is not None:
        return fetch_site == "same-origin"
    return origin is not None and urlsplit(origin).netloc == host


def _password(basic: str) -> str:
    try:
        return base64.b64decode(basic.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""

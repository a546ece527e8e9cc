"""Where the platform is and what to show it: as given, else from the variables, else from the local home folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from penstock import home
from penstock.domain.errors import invalid, unavailable
from penstock.settings import Settings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Address:
    """URL of a platform (no `/` at the end), and the token for it.

    `everywhere` says at which URLs the same platform may answer just now: it may have a second control plane.
    """

    url: str
    token: str | None = field(repr=False)
    everywhere: Callable[[], Sequence[str]] = field(default=tuple, repr=False, compare=False)

    def after_failure(self) -> "Address":
        """Where to try next."""
        urls = self.everywhere()
        if not urls:
            return self
        following = urls.index(self.url) + 1 if self.url in urls else 0
        return replace(self, url=urls[following % len(urls)])


def find(url: str | None, token: str | None, settings: Settings) -> Address:
    """The platform that is meant.

    Raises `unavailable` if none is named and none runs in the home folder. The home's own token is shown to the
    home's own platform only, never to another URL.
    """
    at_home = home.urls(settings.home, settings.server_file)
    wanted = url or settings.url or next(iter(at_home), None)
    if wanted is None:
        raise unavailable(
            f"no platform runs in {settings.home}; start it with `penstock up`, or set PENSTOCK_URL and PENSTOCK_TOKEN"
        )
    wanted = _checked(wanted)
    token = token or settings.token
    own = any(wanted == _checked(each) for each in at_home)
    if token is None and own:
        token = _read(settings.token_file)
    if token is not None and not (token.isascii() and token.isprintable()):
        raise invalid("the token holds characters that no token has: look at PENSTOCK_TOKEN")
    if own:
        return Address(wanted, token, lambda: home.urls(settings.home, settings.server_file))
    return Address(wanted, token)


def _read(path: Path) -> str | None:
    """The text of a file of the home folder, or None: it comes and goes with the platform."""
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise invalid(f"{url!r} is not the URL of a platform: write http://HOST:PORT (PENSTOCK_URL)")
    return url.rstrip("/")

"""Where the platform is and what to show it: as given, else from the variables, else from the local home folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from penstock.domain.errors import invalid, unavailable
from penstock.settings import Settings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Address:
    """URL of a platform (no `/` at the end), and the token for it."""

    url: str
    token: str | None = field(repr=False)


def find(url: str | None, token: str | None, settings: Settings) -> Address:
    """The platform that is meant.

    Raises `unavailable` if none is named and none runs in the home folder. The home's own token is shown to the
    home's own platform only, never to another URL.
    """
    home_url = _home_url(settings.server_file)
    wanted = url or settings.url or home_url
    if wanted is None:
        raise unavailable(
            f"no platform runs in {settings.home}; start it with `penstock up`, or set PENSTOCK_URL and PENSTOCK_TOKEN"
        )
    wanted = _checked(wanted)
    token = token or settings.token
    if token is None and home_url is not None and wanted == _checked(home_url):
        token = _read(settings.token_file)
    if token is not None and not (token.isascii() and token.isprintable()):
        raise invalid("the token holds characters that no token has: look at PENSTOCK_TOKEN")
    return Address(wanted, token)


def _home_url(server_file: Path) -> str | None:
    text = _read(server_file)
    try:
        data: object = json.loads(text) if text else None
    except ValueError:
        return None
    url = cast(Mapping[str, Any], data).get("url") if isinstance(data, Mapping) else None
    return url if isinstance(url, str) else None


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

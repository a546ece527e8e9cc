"""Interpreters that uv downloads and installs where none of the version that is asked for is on this machine."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock
from urllib.parse import urlsplit

import uv

from penstock.commands import Surroundings, TimeLimitError, run
from penstock.domain.errors import invalid
from penstock.environments.failures import explain

_LIMIT = timedelta(minutes=5)  # of one download, about 30 MB
_REMEMBERED = timedelta(minutes=5)  # so that not every build waits for what has just failed
_PLACE = re.compile(r"Failed to download[: `]+(https?://[^\s`]+)")
# Whoever has no way to the download finds out in seconds; uv's own patience is for indexes that must be there.
_IMPATIENT = {"UV_HTTP_RETRIES": "0", "UV_HTTP_CONNECT_TIMEOUT": "5"}
_ALLOWED = {"UV_PYTHON_DOWNLOADS": "manual", "UV_PYTHON_INSTALL_BIN": "0"}


class Downloads:
    """Installs interpreters into uv's own folder, where they are found afterwards. `mode` is `auto` or `never`."""

    def __init__(self, surroundings: Surroundings, mode: str, now: Callable[[], datetime]) -> None:
        if mode not in ("auto", "never"):
            raise invalid(f"python downloads {mode!r} is not known: use auto or never")
        environ = {**_IMPATIENT, **surroundings.environ, **_ALLOWED}
        self._surroundings = replace(surroundings, environ=environ, limit=_LIMIT)
        self._mode = mode
        self._now = now
        self._failures: dict[str, tuple[datetime, str]] = {}
        self._lock = Lock()

    def refusal(self, version: str) -> str | None:
        """Why Python `version` is not to be installed now, as the end of a sentence; None if it may be tried."""
        if self._mode == "never":
            return "PENSTOCK_PYTHON_DOWNLOADS=never"
        with self._lock:
            at, reason = self._failures.get(version, (None, ""))
        if at is None or not timedelta(0) <= self._now() - at < _REMEMBERED:
            return None
        return f"{reason}; it is tried again after {_REMEMBERED.seconds // 60} minutes"

    def install(self, version: str) -> str:
        """Install Python `version` ("3.12"), unless it has just failed; returns what was said, without secrets."""
        if self.refusal(version) is not None:
            return f"python {version} is not downloaded: {self.refusal(version)}\n"
        log = io.StringIO()
        log.write(f"installing python {version}\n")
        try:
            status = run((uv.find_uv_bin(), "python", "install", version), log, self._surroundings)
            reason = None if status == 0 else _reason(log.getvalue())
        except TimeLimitError:
            reason = f"its download took longer than {_LIMIT.seconds // 60} minutes"
        with self._lock:
            self._failures.pop(version, None)
            if reason is not None:
                self._failures[version] = (self._now(), reason)
        return log.getvalue()


def _reason(output: str) -> str:
    place = _PLACE.search(output)
    return f"{urlsplit(place[1]).hostname} could not be reached" if place else explain(output).message

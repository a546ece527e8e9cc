"""Logs of instances and builds, also of those that have ended."""

import os
from collections.abc import Sequence
from pathlib import Path

from penstock.domain.resource import Frozen
from penstock.online.places import Places

_LINE_BYTES = 4096  # room per asked line when a log's end is read
_MOST_BYTES = 4 * 1024 * 1024
_KEPT_LOGS = 20


class Log(Frozen):
    name: str
    text: str


def instance_logs(places: Places, endpoint: str, deployment: str, lines: int) -> Sequence[Log]:
    """The last lines of each instance's log, the most recently written log last."""
    return [
        Log(name=path.stem, text=tail(path, lines)) for path in _newest_last(places.log_folder(endpoint, deployment))
    ]


def tail(path: Path, lines: int) -> str:
    """The last `lines` lines of a log and, if it was rotated just now, of its predecessor."""
    found = _last_lines(path, lines)
    if len(found) < lines:
        found = _last_lines(path.with_name(f"{path.name}.1"), lines - len(found)) + found
    return "\n".join(found)


def prune(places: Places, endpoint: str, deployment: str) -> None:
    """Delete all but the newest logs of a deployment."""
    for path in _newest_last(places.log_folder(endpoint, deployment))[:-_KEPT_LOGS]:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.1").unlink(missing_ok=True)


def _newest_last(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.log"), key=lambda p: p.stat().st_mtime)
    except FileNotFoundError:
        return []


def _last_lines(path: Path, lines: int) -> list[str]:
    if lines <= 0:
        return []
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - min(_MOST_BYTES, lines * _LINE_BYTES))
            file.seek(start)
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:]

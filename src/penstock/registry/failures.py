"""Why the MLflow server did not start, from what it wrote. Pure."""

import re
from pathlib import Path

from penstock.domain.errors import Code, PenstockError

_ROOM = 1024 * 1024  # bytes; with less than this the disk is as good as full
_FULL = re.compile(r"No space left on device|database or disk is full|Disk quota exceeded", re.IGNORECASE)
_FAULT = re.compile(r"^(?:[\w.]+(?:Error|Exception)|Error|Usage)\b.*", re.MULTILINE)
_LONGEST = 500
_LAST_LINES = 30


def explain(output: str, exit_code: int | None, *, free_bytes: int, folder: Path, log: Path) -> PenstockError:
    """The error for a server that ended while it started, after writing `output`."""
    details = {"log": "\n".join(output.splitlines()[-_LAST_LINES:])}
    if _FULL.search(output) or free_bytes < _ROOM:
        message = f"the disk that holds {folder} is full: free some space and try again"
        return PenstockError(Code.UNAVAILABLE, f"the model registry (MLflow) cannot start: {message}", details)
    faults = _FAULT.findall(output)
    ending = "ended" if exit_code is None else f"ended with code {exit_code}"
    why = faults[-1][:_LONGEST] if faults else _last_line(output) or "it wrote nothing"
    return PenstockError(
        Code.UNAVAILABLE, f"the model registry (MLflow) cannot start: it {ending}: {why}; see {log}", details
    )


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:_LONGEST] if lines else ""

"""What workers could not write down themselves in the log of errors, because they died of it or were killed."""

import logging
import os
from datetime import datetime
from pathlib import Path

from penstock_worker.batch_contract import Task

log = logging.getLogger(__name__)

_LARGEST = 16 * 1024 * 1024  # as for workers
_MOST_NAMES = 20


def append(logs: Path, worker: str, task: Task, why: str, now: datetime) -> None:
    """Add to `user/error.txt` below `logs`, in the form in which workers do."""
    names = [segment.file.name for segment in task.segments]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    text = (
        f"{now:%Y-%m-%dT%H:%M:%SZ} {worker} {task.kind} {task.id}, attempt {task.attempt}: {why}\n"
        f"files: {', '.join(names[:_MOST_NAMES])}{more}\n\n"
    )
    try:
        (logs / "user").mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(logs / "user" / "error.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(descriptor).st_size < _LARGEST:
                os.write(descriptor, text.encode("utf-8", "backslashreplace"))
        finally:
            os.close(descriptor)
    except OSError as err:  # a full disk must not keep a job from going on
        log.warning("an error of a job was not written", extra={"task": task.id, "error": str(err)})

"""`azureml_user.parallel_run`, whose EntryScript Azure's batch scripts ask for a logger and for folders."""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from penstock_worker import batch_contract

_LARGEST = 32 * 1024 * 1024  # bytes of the log file, of which there are two
_logger = logging.getLogger("azureml_user.parallel_run")


class _Place:
    """Where the process has its files. There is one, as there is one script."""

    folder = Path("logs")
    process = "process000"


class EntryScript:
    """`logger` writes to a file of its own in `log_dir`, where scripts may put files too.

    `agent_name` is the process's name, and `output_dir` where scripts with summary_only write.
    """

    logger = _logger

    @property
    def log_dir(self) -> str:
        return str(_Place.folder)

    @property
    def agent_name(self) -> str:
        return _Place.process

    @property
    def output_dir(self) -> str:
        return os.environ.get(batch_contract.OUTPUT_PATH, "")

    @property
    def working_dir(self) -> str:
        return os.getcwd()


def take_place(folder: Path, process: str, form: logging.Formatter, level: Any) -> None:
    """From now on `logger` writes below `folder`. Raises OSError."""
    _Place.folder, _Place.process = folder, process
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{process}.log.txt"
    handler = RotatingFileHandler(path, maxBytes=_LARGEST, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(form)
    _logger.addHandler(handler)
    _logger.setLevel(level)
    _logger.propagate = False

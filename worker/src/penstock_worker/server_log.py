"""The log lines of Azure's server: its loggers, print() as lines of one of them, and the author's `logging.json`."""

from __future__ import annotations

import builtins
import functools
import json
import logging
import logging.config
import sys
import time
from typing import TYPE_CHECKING, Any

from penstock_worker import aliases, contract
from penstock_worker.failure import LoadError
from penstock_worker.logs import LINE, log

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

server_log = logging.getLogger("azmlinfsrv")
_printed = logging.getLogger("azmlinfsrv.print")
_print = builtins.print
_FILE = "logging.json"
_LEVELS = ("CRITICAL", "ERROR", "WARNING", "WARN", "INFO", "DEBUG")


class AMLLogFormatter(logging.Formatter):
    """The form of all lines, in UTC; `logging.json` may name it."""

    def __init__(self, fmt: str = LINE, datefmt: str | None = None, style: Any = "%") -> None:
        super().__init__(fmt, datefmt, style)
        self.converter = time.gmtime


class RootAccessFilter(logging.Filter):
    """Leaves out the lines about probes; `logging.json` may name it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "GET / HTTP/1.1" not in record.getMessage()


def set_up(folders: Iterable[Path], level: str) -> None:
    """From now on print() writes log lines. The first `logging.json` in `folders` says how; raises `LoadError`."""
    _lead_to_stdout(level)
    builtins.print = _print_line
    for folder in folders:
        path = folder / _FILE
        if path.is_file():
            _configure(path)
            return


def _lead_to_stdout(level: str) -> None:
    if not server_log.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(AMLLogFormatter())
        server_log.addHandler(handler)
        server_log.propagate = False
    known = level.upper() in _LEVELS
    server_log.setLevel(level.upper() if known else logging.INFO)
    if not known:
        server_log.warning("AZUREML_LOG_LEVEL=%r is no level of logging; it is INFO", level)


def _configure(path: Path) -> None:
    aliases.install()  # of this module too, by whose name in Azure's package such files know it
    try:
        logging.config.dictConfig(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError, ImportError, OSError) as error:
        raise LoadError(contract.SETTING_INVALID, f"{path} does not configure logging: {error}") from error
    log.disabled = False  # dictConfig() silences loggers that it does not know, unless told otherwise
    server_log.info("logging is configured by %s", path)


@functools.wraps(_print)
def _print_line(
    *values: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
) -> None:
    if file is None or file is sys.stdout:
        _printed.info("%s", (" " if sep is None else sep).join(map(str, values)))
    else:
        _print(*values, sep=sep, end=end, file=file, flush=flush)

"""Azure's own collecting package in the user's environment: where it sends to, and what it forgets."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_PACKAGE = "azureml.ai.monitoring"
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def lead_to(host: str, port: int, environ: MutableMapping[str, str]) -> None:
    """Have the package, once it is imported, send to this address, past any proxy; also in forked children."""
    environ["AZUREML_MDC_HOST"], environ["AZUREML_MDC_PORT"] = host, str(port)
    if any(environ.get(name) for name in _PROXIES):
        for name in ("no_proxy", "NO_PROXY"):
            environ[name] = ",".join(part for part in (environ.get(name, ""), host) if part)
    os.register_at_fork(after_in_child=_revive)


def is_used() -> bool:
    """True if the package has been imported, and is the real one."""
    return f"{_PACKAGE}.worker" in sys.modules


def flush(seconds: float) -> None:
    """Let it send what it still has, which it does not do by itself when the process ends."""
    if is_used():
        stopping = threading.Thread(target=_part("init").teardown, args=(True,), daemon=True)
        stopping.start()
        stopping.join(seconds)


def _revive() -> None:
    """Its thread does not survive a fork, and it would take records without ever sending them."""
    if is_used() and _part("init").is_sdk_ready():
        queue, config = _part("queue"), _part("config").get_config()
        queue.init_queue(config.queue_capacity())
        _part("worker").init_worker(queue.get_queue(), config)


def _part(name: str) -> Any:
    return sys.modules[f"{_PACKAGE}.{name}"]

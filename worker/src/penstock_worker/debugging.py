"""`AZUREML_DEBUG_PORT`: a debugger that waits there is connected to before anything of the author's is imported."""

from __future__ import annotations

import importlib
from typing import Any

from penstock_worker import contract
from penstock_worker.failure import LoadError
from penstock_worker.logs import log


def attach(port: int) -> None:
    """Connect to the debugger that listens at `port`, and wait until it has set its breakpoints. Raises `LoadError`."""
    try:
        debugpy: Any = importlib.import_module("debugpy")
    except ImportError as error:
        raise LoadError(
            contract.SETTING_INVALID,
            f"{contract.DEBUG_PORT} is set, and debugpy is not in the environment: add it, or unset the variable",
        ) from error
    log.warning("connecting to a debugger at port %d, as %s is set", port, contract.DEBUG_PORT)
    try:
        debugpy.connect(port)
    except OSError as error:
        raise LoadError(contract.SETTING_INVALID, f"no debugger listens at port {port}: {error}") from error
    debugpy.wait_for_client()

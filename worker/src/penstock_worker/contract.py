"""All that platform and worker agree on: variables, routes, exit codes, and the report. Standard library only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

VERSION = "0.1.0"  # of this distribution

# Azure's variables, with Azure's meaning (Azure ML inference server 1.5.1).
APP_ROOT = "AML_APP_ROOT"
ENTRY_SCRIPT = "AZUREML_ENTRY_SCRIPT"
SOURCE_DIRECTORY = "AZUREML_SOURCE_DIRECTORY"
MODEL_DIR = "AZUREML_MODEL_DIR"

# Penstock's own.
SOCKET = "PENSTOCK_SOCKET"  # path of the unix socket to listen on
REPORT = "PENSTOCK_REPORT"  # path of the report file
LOG = "PENSTOCK_LOG"  # path of the log file that stdout and stderr already lead to
LOG_BYTES = "PENSTOCK_LOG_BYTES"  # size at which the log file is rotated
MLFLOW_MODEL = "PENSTOCK_MLFLOW_MODEL"  # folder with an MLmodel file; set for MLflow models without a scoring script
MAX_BODY_BYTES = "PENSTOCK_MAX_BODY_BYTES"
MEMORY_BYTES = "PENSTOCK_MEMORY_BYTES"  # limit on the process's private memory (RLIMIT_DATA); unset: none
OWNER = "PENSTOCK_OWNER"  # home folder of the platform that started the process
INSTANCE = "PENSTOCK_INSTANCE"  # name of the instance, unique within its owner

LIVENESS_ROUTE = "/"  # 200 `Healthy` while the process can answer
READINESS_ROUTE = "/ready"  # 200 when init() has ended, else 503
SCORE_ROUTE = "/score"
SWAGGER_ROUTE = "/swagger.json"

EXIT_OK = 0
EXIT_CANNOT_LOAD = 3  # as Azure's server: the script or model did not load; the report says why

LOADING, READY, FAILED = "loading", "ready", "failed"

SCRIPT_FILE_NOT_FOUND = "UserScriptFileNotFound"
SCRIPT_IMPORT_ERROR = "UserScriptImportError"
SCRIPT_FUNCTION_NOT_FOUND = "UserScriptFunctionNotFound"  # no init() or run(), or a run() that cannot be called
SCRIPT_INIT_FAILED = "UserScriptInitFailed"
MODEL_LOAD_FAILED = "ModelLoadFailed"
MEMORY_LIMIT_EXCEEDED = "MemoryLimitExceeded"
CANNOT_LISTEN = "CannotListen"


@dataclass(frozen=True)
class Report:
    """What an instance says of its own start. The worker listens on its socket only when `phase` is `ready`.

    `reason` is one of Azure's names (`UserScriptInitFailed`, `UserScriptImportError`,
    `UserScriptFunctionNotFound`, `UserScriptFileNotFound`) or `ModelLoadFailed`, `MemoryLimitExceeded`,
    `CannotListen`;
    `message` is a sentence with the user's file and line where there is one; `traceback` holds only frames of the
    user's code and what it called.
    """

    phase: str
    pid: int
    reason: str = ""
    message: str = ""
    traceback: str = ""
    load_seconds: float = 0.0


def write_report(path: Path, report: Report) -> None:
    """Replace the report at `path` in one step, readable by its owner only."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(report), file)
    os.replace(temporary, path)


def read_report(path: Path) -> Report | None:
    """The report at `path`, or None if there is none yet (or none that can be read)."""
    try:
        return Report(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None

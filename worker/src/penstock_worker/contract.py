"""All that platform and worker agree on: variables, routes, exit codes, and the report. Standard library only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

VERSION = "0.1.0"  # of this distribution

# Azure's variables, with Azure's meaning (Azure ML inference server 1.5.1).
APP_ROOT = "AML_APP_ROOT"
ENTRY_SCRIPT = "AZUREML_ENTRY_SCRIPT"
SOURCE_DIRECTORY = "AZUREML_SOURCE_DIRECTORY"
MODEL_DIR = "AZUREML_MODEL_DIR"
COLLECTOR_CONFIG = "AZUREML_MDC_CONFIG_PATH"  # which collections are enabled; unset: nothing is collected
CONFIG_FILE = "AZUREML_CONFIG_FILE"
SCORING_TIMEOUT_MS = "SCORING_TIMEOUT_MS"
WORKER_COUNT = "WORKER_COUNT"
WORKER_PRELOAD = "WORKER_PRELOAD"
CORS_ORIGINS = "AML_CORS_ORIGINS"
SERVICE_NAME = "SERVICE_NAME"
SERVICE_VERSION = "SERVICE_VERSION"
SERVICE_PATH_PREFIX = "SERVICE_PATH_PREFIX"
SHOW_SERVER_VERSION = "SERVER_VERSION_LOG_RESPONSE_ENABLED"
LOG_LEVEL = "AZUREML_LOG_LEVEL"
DEBUG_PORT = "AZUREML_DEBUG_PORT"

# Penstock's own.
SOCKET = "PENSTOCK_SOCKET"  # path of the unix socket to listen on
LISTEN = "PENSTOCK_LISTEN"  # HOST:PORT to listen on where there is no SOCKET: in containers; or `fd:NUMBER`
REPORT = "PENSTOCK_REPORT"  # path of the report file
LOG = "PENSTOCK_LOG"  # path of the log file that stdout and stderr already lead to
LOG_BYTES = "PENSTOCK_LOG_BYTES"  # size at which the log file is rotated
MLFLOW_MODEL = "PENSTOCK_MLFLOW_MODEL"  # folder with an MLmodel file; set for MLflow models without a scoring script
MAX_BODY_BYTES = "PENSTOCK_MAX_BODY_BYTES"
MEMORY_BYTES = "PENSTOCK_MEMORY_BYTES"  # limit on the process's private memory (RLIMIT_DATA); unset: none
REQUEST_TIMEOUT_MS = "PENSTOCK_REQUEST_TIMEOUT_MS"  # the longest that callers wait for an answer
SAMPLE = "PENSTOCK_SAMPLE"  # `required`: not ready before the sample request is answered; `tried`, `skipped`
SAMPLE_REQUEST = "PENSTOCK_SAMPLE_REQUEST"  # file with a sample request, relative to AML_APP_ROOT; unset: looked for
BATCH_ROWS = "PENSTOCK_BATCH_ROWS"  # most rows of requests that are run together; 0: each request alone
FAST_PATH = "PENSTOCK_FAST_PATH"  # `off`: predictions of MLflow models by pyfunc alone, though a shorter way is proven
COMPAT = "PENSTOCK_COMPAT"  # `strict`: as Azure does it, also where that is a trap; unset: the better way
INFLIGHT = "PENSTOCK_INFLIGHT"  # file that the instances of a deployment share: what each works on; unset: none
MEASURES = "PENSTOCK_MEASURES"  # file that the processes of an instance write their sums to; unset: none
MODEL_NAMES = "PENSTOCK_MODEL_NAMES"  # what clients of /v1 and /v2 may call the model, by commas; its own name first
MODEL_VERSION = "PENSTOCK_MODEL_VERSION"  # its version there; unset: 1
COLLECTED = "PENSTOCK_COLLECTED"  # folder of the deployment's collected records; unset: nothing is collected
FAULTS = (
    "PENSTOCK_FAULTS"  # what callers are told of bad input: `full`, `fields` (not their values), `none` (that it is)
)
UNKNOWN_COLUMNS = "PENSTOCK_UNKNOWN_COLUMNS"  # `refuse`: columns that the signature does not have; `ignore`
CONTRACT = "PENSTOCK_CONTRACT"  # path of the file with the data contracts that requests must keep; looked at again
ACCESS_LOG = "PENSTOCK_ACCESS_LOG"  # `on`: a log line for each request; unset: with `strict` alone
OWNER = "PENSTOCK_OWNER"  # home folder of the platform that started the process
INSTANCE = "PENSTOCK_INSTANCE"  # name of the instance, unique within its owner

INHERITED = "fd"  # in place of LISTEN's host: the port is the number of a bound socket that the process was given

LIVENESS_ROUTE = "/"  # 200 `Healthy` while the process can answer
READINESS_ROUTE = "/ready"  # 200 when init() has ended, else 503
SCORE_ROUTE = "/score"
SWAGGER_ROUTE = "/swagger.json"
# For the platform alone: the gateway routes nobody there.
METRICS_ROUTE = "/metrics"  # counters, as Prometheus reads them
STAGES_ROUTE = "/stages"  # where the time of the last requests went, as JSON; ?since=ANSWERED: of those after it
TRACE_ROUTE = "/trace"  # what run() opens, imports and connects to; POST ?seconds=N starts to look
TAPE_ROUTE = "/tape"  # the last requests with their answers, once somebody has asked for them (penstock_worker/tape.py)
FACTS_ROUTE = "/facts"  # threads, memory, what is served
SAMPLE_ROUTE = "/sample"  # the sample request, 404 if there is none

INTERNAL_ID_HEADER = "x-penstock-request"  # the gateway's own id of a request whose x-request-id the caller chose

# Buckets of latency histograms: each reaches so many times as far as the one before, the first to so many seconds.
LATENCY_FLOOR = 1e-5
LATENCY_GROWTH = 1.1

EXIT_OK = 0
EXIT_CANNOT_LOAD = 3  # as Azure's server: the script or model did not load; the report says why

LOADING, READY, FAILED = "loading", "ready", "failed"
STRICT = "strict"
REQUIRED, TRIED, SKIPPED = "required", "tried", "skipped"

FULL, FIELDS, NONE = "full", "fields", "none"
IGNORE, REFUSE = "ignore", "refuse"

SAMPLE_FILES = ("sample-request.json", "sample_request.json")  # beside the scoring script, or on top of the model

SCRIPT_FILE_NOT_FOUND = "UserScriptFileNotFound"
SCRIPT_IMPORT_ERROR = "UserScriptImportError"
SCRIPT_FUNCTION_NOT_FOUND = "UserScriptFunctionNotFound"  # no init() or run(), or a run() that cannot be called
SCRIPT_INIT_FAILED = "UserScriptInitFailed"
MODEL_LOAD_FAILED = "ModelLoadFailed"
SAMPLE_FAILED = "SamplePredictionFailed"  # run() or predict() did not answer the sample request
SAMPLE_TIMED_OUT = "SamplePredictionTimedOut"
OUTPUT_NOT_SERIALISABLE = "OutputNotSerialisable"
MEMORY_LIMIT_EXCEEDED = "MemoryLimitExceeded"
CANNOT_LISTEN = "CannotListen"
SETTING_INVALID = "InvalidSetting"  # a variable or file of settings, of the deployment's author

_LONGEST_REPORT = 1024 * 1024  # characters
_LARGEST_NUMBER = 1 << 60


@dataclass(frozen=True)
class Report:
    """What an instance says of its own start. The worker listens on its socket only when `phase` is `ready`.

    `reason` is one of the names above; `message` is a sentence with the user's file and line where there is one;
    `traceback` holds only frames of the user's code and what it called. `load_seconds` is zero until the model is
    loaded. `sample` names what is being, or was, predicted for (`input example`), and is empty if nothing is.
    """

    phase: str
    pid: int
    reason: str = ""
    message: str = ""
    traceback: str = ""
    load_seconds: float = 0.0
    memory_bytes: int = 0  # resident, once loaded and tried; zero where the system does not say
    peak_memory_bytes: int = 0
    sample: str = ""
    sample_seconds: float = 0.0
    batch_requests: int = 0  # most requests that are run together; zero: each is run alone
    notices: tuple[str, ...] = ()  # what the author should know, in sentences


def member_socket(path: Path, number: int) -> Path:
    """Where one of several processes listens that serve as one instance, which listens at `path`."""
    return path.with_name(f"{path.name}.{number}")


def write_report(path: Path, report: Report) -> None:
    """Replace the report at `path` in one step, readable by its owner only."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(report), file)
    os.replace(temporary, path)


def read_report(path: Path) -> Report | None:
    """The report at `path`, or None if there is none yet, or none that can be understood.

    Instances outlive the platform that started them: fields of another version's report are left out or filled in.
    The code of a model could write there too, so nothing is taken on trust.
    """
    try:
        # Neither a link out of the folder nor a pipe that nobody writes to.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
            text = file.read(_LONGEST_REPORT + 1)
        if len(text) > _LONGEST_REPORT:
            return None
        told = json.loads(text)
        known = {field.name for field in fields(Report)}
        report = Report(**{name: value for name, value in told.items() if name in known})
        report = replace(report, notices=tuple(report.notices))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return report if _is_sound(report) else None


def _is_sound(report: Report) -> bool:
    texts: tuple[Any, ...] = (
        report.phase,
        report.reason,
        report.message,
        report.traceback,
        report.sample,
        *report.notices,
    )
    sizes = (report.memory_bytes, report.peak_memory_bytes)
    counts: tuple[Any, ...] = (report.pid, report.batch_requests)
    numbers: tuple[Any, ...] = (*counts, report.load_seconds, report.sample_seconds, *sizes)
    # JSON as Python reads it has NaN and infinities too.
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(count, int) for count in counts)
        and all(isinstance(number, (int, float)) and 0 <= number < _LARGEST_NUMBER for number in numbers)
    )

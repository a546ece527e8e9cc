"""The settings of Azure's inference server: environment variables, and `config.json` for those that are not set."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock_worker import contract
from penstock_worker.failure import LoadError
from penstock_worker.kinds import is_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = "config.json"
_MOST_PROCESSES = 256
_LONGEST_TIMEOUT_MS = 24 * 3600 * 1000
# Known to Azure's server, and of no effect here.
_WITHOUT_EFFECT = (
    "AML_APP_INSIGHTS_ENABLED",
    "AML_APP_INSIGHTS_KEY",
    "AML_MODEL_DC_STORAGE_ENABLED",
    "APP_INSIGHTS_LOG_RESPONSE_ENABLED",
    "WORKSPACE_NAME",
    "HOSTNAME",
)
_KEYS = (
    contract.APP_ROOT,
    contract.ENTRY_SCRIPT,
    contract.SOURCE_DIRECTORY,
    contract.MODEL_DIR,
    contract.SCORING_TIMEOUT_MS,
    contract.CORS_ORIGINS,
    contract.SERVICE_NAME,
    contract.SERVICE_VERSION,
    contract.SERVICE_PATH_PREFIX,
    contract.LOG_LEVEL,
    contract.DEBUG_PORT,
    contract.WORKER_COUNT,
    contract.WORKER_PRELOAD,
    contract.SHOW_SERVER_VERSION,
    *_WITHOUT_EFFECT,
)


@dataclass(frozen=True)
class Service:
    """What the OpenAPI document says of the service. The prefix does not move the routes."""

    name: str = "ML service"
    version: str = "1.0"
    path_prefix: str = ""


@dataclass(frozen=True)
class Settings:
    """How the process serves, as its author wishes. `scoring_timeout_ms` None: run() may take its time."""

    strict: bool = False
    access_log: bool = False
    scoring_timeout_ms: int | None = None
    processes: int = 1
    preload: bool = False
    cors_origins: tuple[str, ...] = ()
    shows_version: bool = True
    log_level: str = "INFO"
    debug_port: int | None = None
    service: Service = Service()


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Raises `LoadError` for a value that cannot be one."""
    strict = _word(environ, contract.COMPAT, ("", contract.STRICT)) == contract.STRICT
    access_log = _word(environ, contract.ACCESS_LOG, ("", "on", "off"))
    origins = environ.get(contract.CORS_ORIGINS, "").split(",")
    return Settings(
        strict=strict,
        access_log=strict if not access_log else access_log == "on",
        scoring_timeout_ms=_number(environ, contract.SCORING_TIMEOUT_MS, _LONGEST_TIMEOUT_MS),
        processes=_number(environ, contract.WORKER_COUNT, _MOST_PROCESSES) or 1,
        preload=environ.get(contract.WORKER_PRELOAD, "").lower() == "true",
        cors_origins=tuple(origin.strip() for origin in origins if origin.strip()),
        shows_version=environ.get(contract.SHOW_SERVER_VERSION, "true").lower() == "true",
        log_level=environ.get(contract.LOG_LEVEL) or "INFO",
        debug_port=_number(environ, contract.DEBUG_PORT, 65535),
        service=Service(
            environ.get(contract.SERVICE_NAME) or Service.name,
            environ.get(contract.SERVICE_VERSION) or Service.version,
            environ.get(contract.SERVICE_PATH_PREFIX) or "",
        ),
    )


def with_file(environ: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """`environ`, with what the configuration file says of variables that are not set; and what is odd about the file.

    Raises `LoadError` if it cannot be understood.
    """
    path = _find(environ)
    if path is None:
        return dict(environ), ""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if not is_object(told):
            raise ValueError("it must be a JSON object")
        values = {key: _text(key, value) for key, value in told.items() if key in _KEYS and value is not None}
    except (OSError, ValueError, RecursionError) as error:
        raise LoadError(contract.SETTING_INVALID, f"the configuration file {path} cannot be read: {error}") from error
    unknown = ", ".join(sorted(key for key in told if key not in _KEYS))
    return {**values, **environ}, f"{path} has settings that are not known: {unknown}" if unknown else ""


def _find(environ: Mapping[str, str]) -> Path | None:
    """The file that is named; else `config.json` in the app's root, or beside the script."""
    root = Path(environ.get(contract.APP_ROOT) or os.getcwd())
    candidates = [root / _FILE, (root / environ.get(contract.ENTRY_SCRIPT, "")).parent / _FILE]
    if environ.get(contract.CONFIG_FILE):
        candidates.insert(0, root / environ[contract.CONFIG_FILE])
    return next((path for path in candidates if path.is_file() and path.stat().st_size), None)


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"{key} must be a string or a number")
    return str(value)


def _number(environ: Mapping[str, str], name: str, most: int) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    if not text.strip().isdecimal() or not 0 < int(text) <= most:
        raise LoadError(contract.SETTING_INVALID, f"{name}={text!r} must be a whole number from 1 to {most}")
    return int(text)


def _word(environ: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    word = environ.get(name, "").lower()
    if word not in words:
        known = ", ".join(known for known in words if known)
        raise LoadError(contract.SETTING_INVALID, f"{name}={environ[name]!r} is not one of {known}")
    return word

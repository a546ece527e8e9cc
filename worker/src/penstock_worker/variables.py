"""The contract's variables as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock_worker import contract
from penstock_worker.guarding import Policy
from penstock_worker.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_BODY_BYTES = 10 * 1024 * 1024
_BATCH_ROWS = 64


@dataclass(frozen=True)
class Variables:
    """What the process serves, where, and within which limits. None: not given, so not done or not limited."""

    address: Path | tuple[str, int]  # a unix socket's path, or host and port
    report: Path | None
    log: Path | None
    log_bytes: int | None
    app_root: Path
    entry: str | None
    source_directory: str | None
    mlflow_model: Path | None
    model_dir: Path | None
    sample: str
    sample_request: str | None
    request_timeout_ms: int | None
    memory_bytes: int | None
    max_body_bytes: int
    batch_rows: int
    fast_path: bool
    inflight: Path | None
    measures: Path | None
    making: str  # ENDPOINT.DEPLOYMENT.REVISION
    model_names: tuple[str, ...]
    model_version: str
    collector_config: Path | None
    collected: Path | None
    instance: str
    policy: Policy
    contracts: Path | None
    settings: Settings


def read_variables(environ: Mapping[str, str]) -> Variables:
    """What `environ` says; ends the process with a sentence if a variable of ours is missing or not a number.

    Raises `LoadError` for one of the author's.
    """
    return Variables(
        address=_address(environ),
        report=_path(environ, contract.REPORT),
        log=_path(environ, contract.LOG),
        log_bytes=_number(environ, contract.LOG_BYTES) or None,
        app_root=_path(environ, contract.APP_ROOT) or Path.cwd(),
        entry=environ.get(contract.ENTRY_SCRIPT) or None,
        source_directory=environ.get(contract.SOURCE_DIRECTORY) or None,
        mlflow_model=_path(environ, contract.MLFLOW_MODEL),
        model_dir=_path(environ, contract.MODEL_DIR),
        sample=_sample(environ),
        sample_request=environ.get(contract.SAMPLE_REQUEST) or None,
        request_timeout_ms=_number(environ, contract.REQUEST_TIMEOUT_MS) or None,
        memory_bytes=_number(environ, contract.MEMORY_BYTES) or None,
        max_body_bytes=_number(environ, contract.MAX_BODY_BYTES) or _MAX_BODY_BYTES,
        batch_rows=_default(_number(environ, contract.BATCH_ROWS), _BATCH_ROWS),
        fast_path=environ.get(contract.FAST_PATH, "on").lower() != "off",
        inflight=_path(environ, contract.INFLIGHT),
        measures=_path(environ, contract.MEASURES),
        making=environ.get(contract.INSTANCE, "").rpartition(".")[0],
        model_names=tuple(name for name in environ.get(contract.MODEL_NAMES, "").split(",") if name),
        model_version=environ.get(contract.MODEL_VERSION) or "1",
        collector_config=_path(environ, contract.COLLECTOR_CONFIG),
        collected=_path(environ, contract.COLLECTED),
        instance=environ.get(contract.INSTANCE) or "instance",
        policy=_policy(environ),
        contracts=_path(environ, contract.CONTRACT),
        settings=read_settings(environ),
    )


def _address(environ: Mapping[str, str]) -> Path | tuple[str, int]:
    socket = _path(environ, contract.SOCKET)
    if socket is not None:
        return socket
    text = environ.get(contract.LISTEN)
    if not text:
        raise SystemExit(f"{contract.SOCKET} is not set; it names the unix socket to listen on")
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SystemExit(f"{contract.LISTEN}={text!r} is not understood; write for example 0.0.0.0:5001")
    return host.strip("[]"), int(port)


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    return Path(text).absolute() if text else None


def _sample(environ: Mapping[str, str]) -> str:
    return _word(environ, contract.SAMPLE, (contract.TRIED, contract.REQUIRED, contract.SKIPPED))


def _policy(environ: Mapping[str, str]) -> Policy:
    verbosity = _word(environ, contract.FAULTS, (contract.FULL, contract.FIELDS, contract.NONE))
    unknown = _word(environ, contract.UNKNOWN_COLUMNS, (contract.IGNORE, contract.REFUSE))
    strict = environ.get(contract.COMPAT, "").lower() == contract.STRICT
    return Policy(verbosity, unknown == contract.REFUSE, strict)


def _word(environ: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """One of `words`, the first of which is meant where none is given."""
    word = environ.get(name) or words[0]
    if word not in words:
        raise SystemExit(f"{name}={word!r} is not one of {', '.join(words)}")
    return word


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise SystemExit(f"{name}={text!r} is not a whole number") from None


def _default(number: int | None, default: int) -> int:
    return default if number is None else number

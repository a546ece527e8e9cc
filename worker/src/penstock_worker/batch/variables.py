"""The contracts' variables as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock_worker import batch_contract, contract

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class BatchVariables:
    """Of which job the process is which worker, and what it scores with. None: not given."""

    folder: Path
    worker: str
    report: Path | None
    log: Path | None
    log_bytes: int | None
    app_root: Path
    entry: str | None
    source_directory: str | None
    mlflow_model: Path | None
    memory_bytes: int | None
    gives_way: bool = True  # to whatever else the machine has to do
    fast_path: bool = True  # predictions may be made in a shorter way than MLflow's, where that is proven equal


def read_variables(environ: Mapping[str, str]) -> BatchVariables:
    """What `environ` says; ends the process with a sentence if something is missing or not a number."""
    return BatchVariables(
        folder=Path(_required(environ, batch_contract.FOLDER)).absolute(),
        worker=_required(environ, batch_contract.WORKER),
        report=_path(environ, contract.REPORT),
        log=_path(environ, contract.LOG),
        log_bytes=_number(environ, contract.LOG_BYTES),
        app_root=_path(environ, contract.APP_ROOT) or Path.cwd(),
        entry=environ.get(contract.ENTRY_SCRIPT) or None,
        source_directory=environ.get(contract.SOURCE_DIRECTORY) or None,
        mlflow_model=_path(environ, contract.MLFLOW_MODEL),
        memory_bytes=_number(environ, contract.MEMORY_BYTES),
        gives_way=environ.get(batch_contract.PRIORITY) != batch_contract.USUAL,
        fast_path=environ.get(contract.FAST_PATH, "").lower() != "off",
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    text = environ.get(name)
    if not text:
        raise SystemExit(f"{name} is not set; {__package__} is started by Penstock, for a job")
    return text


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    return Path(text).absolute() if text else None


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    if not text.isdecimal():
        raise SystemExit(f"{name}={text!r} is not a whole number")
    return int(text) or None

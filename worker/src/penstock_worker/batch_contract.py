"""All that the platform and the workers of a batch job agree on: a folder of small files. Standard library only.

A job's work folder (`PENSTOCK_BATCH_FOLDER`):

    order.json                   what the job is, for every worker (`Order`)
    tasks/WORKER/ID.json         what a worker is to do, written by the coordinator (`Task`); the lowest ID comes first
    results/ID-ATTEMPT.json      what came of it (`Result`), written by the worker once all that it tells of is on
                                 disk; the worker then deletes the task, and only then it counts
    parts/                       what mini-batches came to: files named by `part_name`, never changed afterwards
    reports/WORKER.json          how the worker's start went (`contract.Report`)
    current/WORKER               the ID of the task that was begun last; touched then, and with each slice of rows: ages
                                 while nothing comes

Every file appears whole or not at all: it is written under a temporary name and renamed. Both sides may be killed
between any two steps and find in the folder how far they were. What a result tells of is flushed to disk before; tasks
and results themselves need not be, for what they stand for is in the ledger, or it is done anew.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

FOLDER = "PENSTOCK_BATCH_FOLDER"  # the job's work folder
WORKER = "PENSTOCK_BATCH_WORKER"  # name of the worker in it
PRIORITY = "PENSTOCK_BATCH_PRIORITY"  # `usual`: somebody waits for this very process; unset: it gives way to others
OUTPUT_PATH = "AZUREML_BI_OUTPUT_PATH"  # Azure's: where scripts with summary_only write

USUAL = "usual"
CUT, SCORE, FINISH = "cut", "score", "finish"  # kinds of tasks of workers
FETCH, STORE, WITHDRAW = "fetch", "store", "withdraw"  # and of those that move files from and to other machines
WHOLE, ROWS, BYTES = "whole", "rows", "bytes"  # units of segments

IDLE_SECONDS = 60.0  # a worker that has no task for so long ends; the coordinator starts it again when it is needed

# Reasons of results that have failed.
INPUT_CHANGED = "InputChanged"  # a file is not what it was when the job was planned
INPUT_UNREADABLE = "InputUnreadable"  # one file, or its kind: set aside
NO_SPACE = "NoSpace"  # the disk is full: try again later
RUN_FAILED = "RunFailed"  # run(), or the model on all rows
OUTPUT_EXISTS = "OutputExists"
STORAGE_DENIED = "StorageDenied"  # the credentials do not open it, or there is no such place
STORAGE_UNAVAILABLE = "StorageUnavailable"  # the other machine has not answered, however often it was asked


@dataclass(frozen=True)
class File:
    """A file of the input. `name` is its path below the input, as outputs tell of it; `path` is where it lies here."""

    number: int
    path: str
    name: str
    size: int  # -1: a web server did not say it
    modified_ns: int  # -1: it was fetched, and has a time of its own

    def is_still(self, found: os.stat_result) -> bool:
        """True if what lies there is what the job was planned with."""
        return self.size in (-1, found.st_size) and self.modified_ns in (-1, found.st_mtime_ns)


@dataclass(frozen=True)
class Segment:
    """A piece of a file: all of it, the rows from `start` on, or the bytes from `start` on, `length` of them.

    Bytes begin and end between two records. `first_row` is the number, in its file, of the first row; -1: not known.
    `header`: a text file's first record is the names of the columns (only with `start` 0 it is among the bytes).
    """

    file: File
    unit: str = WHOLE
    start: int = 0
    length: int = -1
    first_row: int = 0
    rows: int = -1  # -1: not known


@dataclass(frozen=True)
class Remote:
    """Where something lies on another machine: its URI, and its version as it was listed."""

    uri: str
    version: str = ""  # empty: any


@dataclass(frozen=True)
class Task:
    """Something to do for a worker. `id` orders tasks; that of a mini-batch is its own.

    `cut`: say into which segments the stretches (segments of bytes) are to be cut; whether a record begins at one is
    not known if its `first_row` is -1. `score`: the mini-batch that the segments make, in their order. `finish`: make
    the final files out of the parts that the file `manifest` names.
    `fetch`: have the file of each segment at its `path`, from the remote of the same place in `remotes`. `store`: have
    all files of the local `folder` below the only remote, which must not hold files of these names. `withdraw`: remove
    there what the `store` of task `folder` has put there.
    `limit`: at most so many rows (a dry run); -1: all.
    """

    id: str
    kind: str
    attempt: int
    segments: tuple[Segment, ...] = ()
    manifest: str = ""
    limit: int = -1
    remotes: tuple[Remote, ...] = ()
    folder: str = ""


@dataclass(frozen=True)
class Part:
    """A file in `parts/` that holds the output of segment `segment` of the task, or of all of them (-1).

    `kind`: `rows` (predictions) or `rejects`.
    """

    name: str
    kind: str
    rows: int
    bytes: int
    segment: int = -1


@dataclass(frozen=True)
class FileFault:
    """A file that was set aside, or that a script has not answered for, and why."""

    number: int
    reason: str
    message: str


@dataclass(frozen=True)
class Result:
    """What came of a task. `reason` is empty if it was done.

    Of a cut: `segments`; of a fetch too, with the sizes that were found. Of a mini-batch: `parts`, with how many rows
    were read, written and rejected; `faults` are of single files. `seconds` are by stage: read, validate, convert,
    predict, write.
    """

    id: str
    attempt: int
    worker: str
    reason: str = ""
    message: str = ""
    traceback: str = ""
    segments: tuple[Segment, ...] = ()
    parts: tuple[Part, ...] = ()
    faults: tuple[FileFault, ...] = ()
    rows_in: int = 0
    rows_out: int = 0
    rows_rejected: int = 0
    bytes_in: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {})
    memory_bytes: int = 0  # the most that the worker has had


@dataclass(frozen=True)
class Order:
    """What a job is. Of a script, rows are what run() returns; of a model, `mini_batch_*` say where files are cut.

    `output_format` is `azure` (columns row, prediction, file_name, no header), `parquet`, `csv` or `jsonl`;
    `keep_columns` holds `*` for all columns. `output_mode` is one of domain/batch_deployment.py.
    """

    job: str
    output_action: str
    output_format: str
    output_mode: str
    output_file_name: str
    output_folder: str  # of this machine
    keep_columns: tuple[str, ...] = ()
    mini_batch_files: int = 10
    mini_batch_rows: int = 131_072
    mini_batch_bytes: int = 16_777_216
    slice_rows: int = 16_384
    logging_level: str = "info"
    logs_folder: str = ""  # Azure's layout below it: user/error.txt, user/stdout/...
    output_path: str = ""  # AZUREML_BI_OUTPUT_PATH
    preflight: bool = False  # there is no job: load, find out what later starts may rely on, and end


@dataclass(frozen=True)
class ManifestLine:
    """A line of the manifest of a `finish`: a part, in the order of the input. `file` is the input's name, empty where
    the part is of several."""

    part: str
    kind: str  # rows, rejects
    file: str
    rows: int


T = TypeVar("T")


def write(path: Path, value: Any, *, safe: bool = True) -> None:
    """Put `value`, one of the dataclasses here, at `path` in one step; see `write_text`."""
    write_text(path, json.dumps(asdict(value)), safe=safe)


def write_text(path: Path, text: str, *, safe: bool = True) -> None:
    """Put `text` at `path` in one step, on disk when this returns; not `safe`: a loss of power may lose or empty it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        if safe:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, path)
    if safe:
        flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Have the names in `folder` on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path, kind: type[T]) -> T | None:
    """The `kind` at `path`; None if there is none, or none that can be understood."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
            return decoded(json.load(file), kind)
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def decoded(data: Any, kind: type[T]) -> T:
    """A `kind` out of what JSON gave. Raises TypeError for what is none; fields that are not known are left out."""
    if not isinstance(data, dict):
        raise TypeError(f"{kind.__name__} is not {type(data).__name__}")
    inner = _INNER.get(kind, {})
    known: dict[str, Any] = {name: data[name] for name in _names(kind) if name in data}
    values = {name: _decoded_value(value, inner.get(name)) for name, value in known.items()}
    return kind(**values)


@lru_cache(maxsize=None)
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def _decoded_value(value: Any, kind: Any) -> Any:
    if isinstance(value, list):
        return tuple(decoded(item, kind) if kind is not None else item for item in iter(value))  # pyright: ignore
    return decoded(value, kind) if kind is not None else value


_INNER: dict[Any, dict[str, Any]] = {
    Segment: {"file": File},
    Task: {"segments": Segment, "remotes": Remote},
    Result: {"segments": Segment, "parts": Part, "faults": FileFault},
}


def result_path(folder: Path, task: str, attempt: int) -> Path:
    return folder / "results" / f"{task}-{attempt}.json"


def stored_mark(folder: Path, task: str) -> Path:
    """There once the `store` of that task has begun: a list of the names of its files in JSON."""
    return folder / "stores" / f"{task}.stored"


def part_name(task: Task, segment: int, suffix: str) -> str:
    """Of the output of one segment of a task, or of all of them (-1). `suffix` with its dot, such as `.parquet`."""
    piece = "" if segment < 0 else f"-{segment:05d}"
    return f"{task.id}-{task.attempt}{piece}{suffix}"

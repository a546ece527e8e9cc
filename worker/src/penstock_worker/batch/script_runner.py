"""Azure's batch scripts: init() once per process, run() for each mini-batch of files."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.advice import advice
from penstock_worker.batch.column_names import ColumnNames
from penstock_worker.batch.failing import TaskFailedError, not_stored
from penstock_worker.batch.freed_memory import keep_freed_memory
from penstock_worker.batch.input_file import changed
from penstock_worker.batch.part_files import PartFiles
from penstock_worker.batch.returned import count_of
from penstock_worker.batch.runner import Loaded
from penstock_worker.batch.script_rows import ScriptRows
from penstock_worker.batch_contract import INPUT_CHANGED, RUN_FAILED, FileFault, Part, Result, part_name
from penstock_worker.script import ScriptPlace, load_module
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.batch.variables import BatchVariables
    from penstock_worker.batch_contract import File, Order, Task

_APPEND_ROW = "append_row"
_ROWS = "rows"
# Azure's words, by which users and searches find what it means.
_NOTHING = "No succeeded mini batch item returned from run()"
_UNANSWERED = "run() returned {items} items for {files} files, and does not say for which"
_UNANSWERED_REASON = "NotAnswered"


def load_script_runner(variables: BatchVariables, order: Order) -> Loaded:
    """Import the script and call its init(). Raises `LoadError`."""
    place = ScriptPlace(variables.app_root, variables.entry, variables.source_directory)
    keep_freed_memory()
    module, run = load_module(place, variables.memory_bytes)
    parts = PartFiles(variables.folder)
    rows = ScriptRows(order.output_format, ColumnNames(variables.folder))
    runner = ScriptRunner(run, parts, rows if order.output_action == _APPEND_ROW else None)
    loaded = Loaded(runner, f"run() in {place.name}", parts)
    shutdown = getattr(module, "shutdown", None)
    return loaded._replace(close=shutdown) if callable(shutdown) else loaded


class ScriptRunner:
    """`rows` None: the script writes its output itself, and what run() returns only counts."""

    def __init__(self, run: Callable[[list[str]], Any], parts: PartFiles, rows: ScriptRows | None) -> None:
        self._run = run
        self._parts = parts
        self._rows = rows

    def score(self, task: Task, beat: Callable[[], None]) -> Result:
        files = [segment.file for segment in task.segments]
        _check_unchanged(files)
        began = time.monotonic()
        try:
            returned = self._run([file.path for file in files])
        finally:
            _check_unchanged(files)  # a change explains whatever run() has raised
        predicted = time.monotonic()
        items = _items(returned)
        parts = () if self._rows is None else (self._store(task, self._rows, returned, items),)
        return Result(
            task.id,
            task.attempt,
            "",
            parts=parts,
            faults=_faults(files, items),
            rows_in=len(files),
            rows_out=items,
            bytes_in=sum(file.size for file in files),
            seconds={"predict": predicted - began, "write": time.monotonic() - predicted},
        )

    def _store(self, task: Task, rows: ScriptRows, returned: Any, items: int) -> Part:
        name = part_name(task, -1, rows.suffix)
        try:
            size = self._parts.write(name, lambda file: rows.write(returned, file))
        except MemoryError:
            raise
        except OSError as error:
            raise not_stored(error) from error
        except Exception as error:
            message = f"what run() returned cannot be written: {summary(error)}{advice(error)}"
            raise TaskFailedError(RUN_FAILED, message) from error
        return Part(name, _ROWS, items, size)


def _check_unchanged(files: Sequence[File]) -> None:
    for file in files:
        try:
            found = os.stat(file.path)
        except OSError as error:
            raise TaskFailedError(INPUT_CHANGED, f"{file.name} cannot be read any more: {error.strerror}") from error
        if not file.is_still(found):
            raise changed(file)


def _items(returned: Any) -> int:
    """How many items have succeeded. Raises `TaskFailedError` if there are none."""
    items = count_of(returned)
    if items is None:
        kind = "None" if returned is None else f"a {type(returned).__name__}"
        raise TaskFailedError(RUN_FAILED, f"{_NOTHING}: it returned {kind}, not a list or a DataFrame")
    if not items:
        raise TaskFailedError(RUN_FAILED, f"{_NOTHING}: what it returned is empty")
    return items


def _faults(files: Sequence[File], items: int) -> tuple[FileFault, ...]:
    """One for each item that is missing, on the last files: run() does not say which ones it has not answered for."""
    missing = files[items:]
    message = _UNANSWERED.format(items=items, files=len(files))
    return tuple(FileFault(file.number, _UNANSWERED_REASON, message) for file in missing)

"""The ledgers of batch jobs in the tables of the store, SQLite or PostgreSQL."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from penstock.domain.errors import conflict
from penstock.store.base import Fence
from penstock.store.database import Database
from penstock.store.ledger import FileState, LedgerFile, MiniBatch, MiniBatchId, MiniBatchState, Outcome, Totals
from penstock.store.tables import job_files, mini_batches
from penstock.store.writes import permitted

T = TypeVar("T")

_CHUNK = 1000  # rows in one statement
_LISTED, _CUT = FileState.LISTED.value, FileState.CUT.value
_TODO, _DONE, _FAILED = MiniBatchState.TODO.value, MiniBatchState.DONE.value, MiniBatchState.FAILED.value


class SqlLedger:
    """The port `Ledger`."""

    def __init__(self, database: Database, fence: Fence | None) -> None:
        self._database = database
        self._fence = fence

    def open(self, job: str, files: Sequence[LedgerFile]) -> None:
        def work(connection: Connection) -> None:
            if not _is_open(connection, job):
                # A row of its own says that there is a ledger, also of a job without files.
                mark = _file_row(job, LedgerFile(number=-1, uri="", name="", size=0, version="", state=FileState.CUT))
                _insert(connection, job_files, (mark, *(_file_row(job, file) for file in files)))

        self._write(work)

    def opened(self, job: str) -> bool:
        return self._database.read(lambda connection: _is_open(connection, job))

    def files(self, job: str, *, state: FileState | None = None) -> Sequence[LedgerFile]:
        wanted = _files_of(job) if state is None else and_(_files_of(job), job_files.c.state == state.value)
        query = select(job_files).where(wanted).order_by(job_files.c.number)
        return [_file(row) for row in self._database.read(lambda connection: connection.execute(query).all())]

    def cut(self, job: str, files: Sequence[int], mini_batches: Sequence[MiniBatch]) -> None:
        def work(connection: Connection) -> None:
            listed = {
                number
                for chunk in _chunks(files)
                for number in connection.execute(
                    select(job_files.c.number).where(
                        job_files.c.job == job, job_files.c.number.in_(chunk), job_files.c.state == _LISTED
                    )
                ).scalars()
            }
            # The first file of a mini-batch stands for all of them: they are listed together.
            new = [_mini_batch_row(job, each) for each in mini_batches if each.id.file in listed]
            _insert(connection, _MINI_BATCHES, new)
            for chunk in _chunks(sorted(listed)):
                now_cut = and_(job_files.c.job == job, job_files.c.number.in_(chunk))
                connection.execute(update(job_files).where(now_cut).values(state=_CUT))

        self._write(work)

    def set_aside(self, job: str, file: int, state: FileState, reason: str) -> None:
        row = and_(job_files.c.job == job, job_files.c.number == file)
        self._write(
            lambda connection: connection.execute(update(job_files).where(row).values(state=state.value, reason=reason))
        )

    def mini_batches(
        self, job: str, *, state: MiniBatchState | None = None, after: MiniBatchId | None = None, limit: int = 10_000
    ) -> Sequence[MiniBatch]:
        table = mini_batches.c
        terms: list[ColumnElement[bool]] = [table.job == job]
        if state is not None:
            terms.append(table.state == state.value)
        if after is not None:
            later = and_(table.file == after.file, table.piece > after.piece)
            terms.append(or_(table.file > after.file, later))
        query = select(mini_batches).where(*terms).order_by(table.file, table.piece).limit(limit)
        return [_mini_batch(row) for row in self._database.read(lambda connection: connection.execute(query).all())]

    def note(self, job: str, outcomes: Sequence[Outcome]) -> None:
        table = mini_batches.c
        mine = and_(table.job == job, table.file == bindparam("of_file"), table.piece == bindparam("of_piece"))
        statement = update(mini_batches).where(mine, table.state != _DONE)
        values = [_outcome_values(outcome) for outcome in outcomes]
        columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _OUTCOME}
        if values:
            self._write(lambda connection: connection.execute(statement.values(columns), values))

    def reopen(self, job: str) -> None:
        def work(connection: Connection) -> None:
            failed = and_(mini_batches.c.job == job, mini_batches.c.state == _FAILED)
            connection.execute(update(mini_batches).where(failed).values(state=_TODO, attempt=0, reason=""))
            lost = and_(job_files.c.job == job, job_files.c.state == FileState.FAILED.value)
            has_mini_batches = select(mini_batches.c.job).where(
                mini_batches.c.job == job, mini_batches.c.file == job_files.c.number
            )
            again = case((has_mini_batches.exists(), _CUT), else_=_LISTED)
            connection.execute(update(job_files).where(lost).values(state=again, reason=""))

        self._write(work)

    def totals(self, job: str) -> Totals:
        return self._database.read(lambda connection: _totals(connection, job))

    def remove(self, job: str) -> None:
        def work(connection: Connection) -> None:
            for table in (mini_batches, job_files):
                connection.execute(delete(table).where(table.c.job == job))

        self._write(work)

    def _write(self, work: Callable[[Connection], object]) -> None:
        def permitted_work(connection: Connection) -> None:
            if not connection.execute(select(permitted(self._fence))).scalar_one():
                raise conflict("another control plane leads: this one writes to no ledger")
            work(connection)

        self._database.write(permitted_work)


_MINI_BATCHES = mini_batches
_OUTCOME = ("state", "attempt", "parts", "rows_in", "rows_out", "rows_rejected", "reason")


def _totals(connection: Connection, job: str) -> Totals:
    by_state = select(job_files.c.state, func.count()).where(_files_of(job)).group_by(job_files.c.state)
    files = {FileState(state): count for state, count in connection.execute(by_state).all()}
    table = mini_batches.c
    rows = case((table.state == _DONE, table.rows_in), else_=table.rows)
    unknown = case((and_(table.state == _TODO, table.rows < 0), 1), else_=0)
    sums = (func.count(), *map(func.sum, (table.files, table.bytes, rows, unknown)))
    made = map(func.sum, (table.rows_in, table.rows_out, table.rows_rejected))
    query = select(table.state, *sums, *made).where(table.job == job).group_by(table.state)
    found = {row[0]: [int(value or 0) for value in row[1:]] for row in connection.execute(query).all()}
    nothing = [0] * 8
    done, failed = found.get(_DONE, nothing), found.get(_FAILED, nothing)
    total = [sum(column) for column in zip(*found.values(), strict=True)] if found else nothing
    return Totals(
        files=sum(files.values()),
        files_by_state=files,
        mini_batches=total[0],
        mini_batches_by_state={MiniBatchState(state): values[0] for state, values in found.items()},
        files_done=done[1],
        files_failed=failed[1] + files.get(FileState.FAILED, 0),
        rows=None if total[4] else total[3],
        rows_in=done[5],
        rows_out=done[6],
        rows_rejected=done[7],
        bytes=total[2],
        bytes_done=done[2] + failed[2],
    )


def _is_open(connection: Connection, job: str) -> bool:
    mark = select(job_files.c.number).where(job_files.c.job == job, job_files.c.number == -1)
    return connection.execute(mark).first() is not None


def _files_of(job: str) -> ColumnElement[bool]:
    return and_(job_files.c.job == job, job_files.c.number >= 0)


def _insert(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    for chunk in _chunks(rows):
        connection.execute(insert(table), chunk)


def _chunks(items: Iterable[T]) -> Iterable[list[T]]:
    left = iter(items)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


def _file_row(job: str, file: LedgerFile) -> dict[str, Any]:
    return {"job": job, **asdict(file), "state": file.state.value}


def _file(row: Row[Any]) -> LedgerFile:
    return LedgerFile(
        number=row.number,
        uri=row.uri,
        name=row.name,
        size=row.size,
        version=row.version,
        state=FileState(row.state),
        reason=row.reason,
    )


def _mini_batch_row(job: str, mini_batch: MiniBatch) -> dict[str, Any]:
    fields = asdict(mini_batch)
    del fields["id"]
    file, piece = mini_batch.id
    return {"job": job, "file": file, "piece": piece, **fields, "state": mini_batch.state.value}


def _mini_batch(row: Row[Any]) -> MiniBatch:
    return MiniBatch(
        id=MiniBatchId(row.file, row.piece),
        files=row.files,
        segments=row.segments,
        rows=row.rows,
        bytes=row.bytes,
        state=MiniBatchState(row.state),
        attempt=row.attempt,
        parts=row.parts,
        rows_in=row.rows_in,
        rows_out=row.rows_out,
        rows_rejected=row.rows_rejected,
        reason=row.reason,
    )


def _outcome_values(outcome: Outcome) -> dict[str, Any]:
    values = {f"new_{name}": getattr(outcome, name) for name in _OUTCOME}
    return {**values, "new_state": outcome.state.value, "of_file": outcome.id.file, "of_piece": outcome.id.piece}

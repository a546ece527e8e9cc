"""The ledgers of jobs on SQLite or PostgreSQL, in the database of the store."""

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Connection, delete, select, tuple_

from penstock.domain.errors import conflict
from penstock.store.base import Fence
from penstock.store.database import Database
from penstock.store.ledger import (
    Aside,
    FileState,
    LedgerFile,
    MiniBatch,
    MiniBatchId,
    MiniBatchState,
    Outcome,
    Totals,
)
from penstock.store.ledger_writes import cut, note, open_ledger, reopen, set_aside, sums_of
from penstock.store.sums import totals_of
from penstock.store.tables import LEFT, job_files, ledgers, mini_batches
from penstock.store.writes import permitted


class SqlLedger:
    """The port `Ledger`. Closes with the store whose database it is."""

    def __init__(self, database: Database, fence: Fence | None = None) -> None:
        self._database = database
        self._fence = fence

    def open(self, job: str, files: Sequence[LedgerFile]) -> None:
        self._write(job, lambda connection: open_ledger(connection, job, files))

    def opened(self, job: str) -> bool:
        query = select(ledgers.c.job).where(ledgers.c.job == job)
        return self._database.read(lambda connection: connection.execute(query).one_or_none()) is not None

    def files(
        self, job: str, *, state: FileState | None = None, numbers: Collection[int] | None = None
    ) -> Sequence[LedgerFile]:
        columns = [column for column in job_files.c if column.name != "job"]
        query = select(*columns).where(job_files.c.job == job).order_by(job_files.c.number)
        if state is not None:
            query = query.where(job_files.c.state == state.value)
        if numbers is not None:
            query = query.where(job_files.c.number.in_(numbers))
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [
            LedgerFile(
                number=row.number,
                uri=row.uri,
                name=row.name,
                size=row.size,
                version=row.version,
                state=FileState(row.state),
                reason=row.reason,
            )
            for row in rows
        ]

    def cut(self, job: str, files: Sequence[int], mini_batches: Sequence[MiniBatch]) -> None:
        self._write(job, lambda connection: cut(connection, job, files, mini_batches))

    def set_aside(self, job: str, file: int, state: FileState, reason: str) -> None:
        self.set_all_aside(job, [Aside(file, state, reason)])

    def set_all_aside(self, job: str, files: Sequence[Aside]) -> None:
        self._write(job, lambda connection: set_aside(connection, job, files))

    def mini_batches(
        self, job: str, *, state: MiniBatchState | None = None, after: MiniBatchId | None = None, limit: int = 10_000
    ) -> Sequence[MiniBatch]:
        table = mini_batches
        columns = [column for column in table.c if column.name != "job"]
        query = select(*columns).where(table.c.job == job).order_by(table.c.file, table.c.piece).limit(limit)
        if state is not None:
            query = query.where(table.c.state == state.value)
        if state in (MiniBatchState.TODO, MiniBatchState.FAILED):
            query = query.where(LEFT)  # which the index for them needs to be told
        if after is not None:
            query = query.where(tuple_(table.c.file, table.c.piece) > tuple_(after.file, after.piece))
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [
            MiniBatch(
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
            for row in rows
        ]

    def note(self, job: str, outcomes: Sequence[Outcome]) -> None:
        self._write(job, lambda connection: note(connection, job, outcomes))

    def reopen(self, job: str, files: Sequence[int] = (), mini_batches: Sequence[MiniBatchId] = ()) -> None:
        self._write(job, lambda connection: reopen(connection, job, files, mini_batches))

    def totals(self, job: str) -> Totals:
        return totals_of(self._database.read(lambda connection: sums_of(connection, job)))

    def remove(self, job: str) -> None:
        def write(connection: Connection) -> None:
            for table in (mini_batches, job_files, ledgers):
                connection.execute(delete(table).where(table.c.job == job))

        self._write(job, write)

    def _write(self, job: str, work: Callable[[Connection], None]) -> None:
        """Writers are alone in the database, so that a lease that is held now is held until they commit."""
        fence = self._fence

        def fenced(connection: Connection) -> None:
            if fence is not None and not connection.execute(select(permitted(fence))).scalar_one():
                raise conflict(f"the ledger of job {job!r} is written by another control plane, which leads now")
            work(connection)

        self._database.write(fenced)

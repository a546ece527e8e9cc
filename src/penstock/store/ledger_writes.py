"""The writes of ledgers, each as a part of a transaction that is alone in the database; the sums move with what they
sum."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, insert, select, update

from penstock.store.ledger import Aside, FileState, LedgerFile, MiniBatch, MiniBatchId, MiniBatchState, Outcome
from penstock.store.sums import SUMS, Sums, of_file, of_mini_batch
from penstock.store.tables import LEFT, job_files, ledgers, mini_batches

T = TypeVar("T")

_AT_ONCE = 500  # values in one statement
_TOLD = ("state", "attempt", "parts", "rows_in", "rows_out", "rows_rejected", "reason")  # what outcomes change
_SUMMED = ("file", "piece", "state", "files", "rows", "bytes", "rows_in", "rows_out", "rows_rejected")
_NOTE = (
    update(mini_batches)
    .where(
        mini_batches.c.job == bindparam("of_job"),
        mini_batches.c.file == bindparam("of_file"),
        mini_batches.c.piece == bindparam("of_piece"),
    )
    .values({name: bindparam(f"new_{name}") for name in _TOLD})
)

_SET_ASIDE = (
    update(job_files)
    .where(job_files.c.job == bindparam("of_job"), job_files.c.number == bindparam("of_file"))
    .values(state=bindparam("new_state"), reason=bindparam("new_reason"))
)


def open_ledger(connection: Connection, job: str, files: Sequence[LedgerFile]) -> None:
    if connection.execute(select(ledgers.c.job).where(ledgers.c.job == job)).one_or_none() is not None:
        return
    connection.execute(insert(ledgers).values(job=job, **dict.fromkeys(SUMS, 0)))
    for chunk in _chunks(_file_row(job, file) for file in files):
        connection.execute(insert(job_files), chunk)
    _add(connection, job, (of_file(file.state, file.size, planned=False) for file in files))


def cut(connection: Connection, job: str, files: Sequence[int], new: Sequence[MiniBatch]) -> None:
    listed = list(_listed(connection, job, files))
    numbers = {row.number for row in listed}
    wanted = {each.id: each for each in new if each.id.file in numbers}
    for row in _standing(connection, job, list(wanted)):
        del wanted[MiniBatchId(row.file, row.piece)]
    for chunk in _chunks(sorted(numbers)):
        mine = and_(job_files.c.job == job, job_files.c.number.in_(chunk))
        connection.execute(update(job_files).where(mine).values(state=FileState.CUT.value, planned=True))
    for chunk in _chunks(_mini_batch_row(job, each) for each in wanted.values()):
        connection.execute(insert(mini_batches), chunk)
    _add(
        connection,
        job,
        [
            *(of_file(FileState.CUT, row.size, planned=True) for row in listed),
            *(_sums_of(each, each) for each in wanted.values()),
        ],
        [of_file(FileState.LISTED, row.size, planned=False) for row in listed],
    )


def set_aside(connection: Connection, job: str, asides: Sequence[Aside]) -> None:
    wanted = {aside.file: aside for aside in asides}
    found: list[Row[Any]] = []
    for chunk in _chunks(sorted(wanted)):
        mine = and_(job_files.c.job == job, job_files.c.number.in_(chunk))
        columns = (job_files.c[name] for name in ("number", "state", "size", "planned"))
        found += connection.execute(select(*columns).where(mine)).all()
    if not found:
        return
    told = [wanted[row.number] for row in found]
    connection.execute(
        _SET_ASIDE,
        [{"of_job": job, "of_file": n, "new_state": state.value, "new_reason": reason} for n, state, reason in told],
    )
    _add(
        connection,
        job,
        [of_file(wanted[row.number].state, row.size, planned=row.planned) for row in found],
        [of_file(FileState(row.state), row.size, planned=row.planned) for row in found],
    )


def note(connection: Connection, job: str, outcomes: Sequence[Outcome]) -> None:
    ids = list({outcome.id for outcome in outcomes})
    rows = {MiniBatchId(row.file, row.piece): row for row in _standing(connection, job, ids)}
    state = {id_: MiniBatchState(row.state) for id_, row in rows.items()}
    last: dict[MiniBatchId, Outcome] = {}
    for outcome in outcomes:
        if state.get(outcome.id, MiniBatchState.DONE) is not MiniBatchState.DONE:
            last[outcome.id] = outcome
            state[outcome.id] = outcome.state
    if not last:
        return
    connection.execute(_NOTE, [_note_row(job, outcome) for outcome in last.values()])
    _add(
        connection,
        job,
        [_sums_of(rows[id_], outcome) for id_, outcome in last.items()],
        [_sums_of(rows[id_], rows[id_]) for id_ in last],
    )


def reopen(connection: Connection, job: str, files: Sequence[int], ids: Sequence[MiniBatchId]) -> None:
    _reopen_files(connection, job, files)
    failed = and_(mini_batches.c.job == job, mini_batches.c.state == MiniBatchState.FAILED.value, LEFT)
    rows = list(connection.execute(select(*_summed()).where(failed)).all())
    rows += [row for row in _standing(connection, job, ids) if row.state == MiniBatchState.DONE]
    if not rows:
        return
    todo = [Outcome(id=MiniBatchId(row.file, row.piece), state=MiniBatchState.TODO, attempt=0) for row in rows]
    connection.execute(_NOTE, [_note_row(job, outcome) for outcome in todo])
    _add(
        connection,
        job,
        [of_mini_batch(MiniBatchState.TODO, row.files, row.rows, row.bytes, (0, 0, 0)) for row in rows],
        [_sums_of(row, row) for row in rows],
    )


def _reopen_files(connection: Connection, job: str, files: Sequence[int]) -> None:
    """Failed files that were never cut are listed; those of `files` that were are cut."""
    failed = and_(job_files.c.job == job, job_files.c.state == FileState.FAILED.value)
    columns = (job_files.c[name] for name in ("number", "size", "planned"))
    wanted = frozenset(files)
    found = connection.execute(select(*columns).where(failed)).all()
    again = [row for row in found if not row.planned or row.number in wanted]
    if not again:
        return
    state = {row.number: FileState.CUT if row.planned else FileState.LISTED for row in again}
    told = [{"of_job": job, "of_file": n, "new_state": state[n].value, "new_reason": ""} for n in state]
    connection.execute(_SET_ASIDE, told)
    _add(
        connection,
        job,
        [of_file(state[row.number], row.size, planned=row.planned) for row in again],
        [of_file(FileState.FAILED, row.size, planned=row.planned) for row in again],
    )


def sums_of(connection: Connection, job: str) -> Sums:
    """Empty if the job has no ledger."""
    query = select(*(ledgers.c[name] for name in SUMS)).where(ledgers.c.job == job)
    row = connection.execute(query).mappings().one_or_none()
    return {} if row is None else {name: row[name] for name in SUMS}


def _listed(connection: Connection, job: str, numbers: Sequence[int]) -> Iterator[Row[Any]]:
    for chunk in _chunks(numbers):
        mine = and_(job_files.c.job == job, job_files.c.number.in_(chunk))
        listed = job_files.c.state == FileState.LISTED.value
        columns = (job_files.c[name] for name in ("number", "size"))
        yield from connection.execute(select(*columns).where(mine, listed)).all()


def _standing(connection: Connection, job: str, ids: Sequence[MiniBatchId]) -> Iterator[Row[Any]]:
    """What sums need of those mini-batches that stand in the ledger."""
    for chunk in _chunks(ids):
        # Not by pairs, for which SQLite does not use its index: what is found beside them is left out here.
        near = and_(
            mini_batches.c.job == job,
            mini_batches.c.file.in_({id_.file for id_ in chunk}),
            mini_batches.c.piece.in_({id_.piece for id_ in chunk}),
        )
        wanted = frozenset(chunk)
        found = connection.execute(select(*_summed()).where(near)).all()
        yield from (row for row in found if (row.file, row.piece) in wanted)


def _add(connection: Connection, job: str, new: Iterable[Sums], old: Iterable[Sums] = ()) -> None:
    """Move the sums of the ledger."""
    change: Counter[str] = Counter()
    for each in new:
        change.update(each)
    for each in old:
        change.subtract(each)
    moved = {name: ledgers.c[name] + by for name, by in change.items() if by}
    if moved:
        connection.execute(update(ledgers).where(ledgers.c.job == job).values(moved))


def _summed() -> Iterator[ColumnElement[Any]]:
    return (mini_batches.c[name] for name in _SUMMED)


def _sums_of(sized: MiniBatch | Row[Any], told: MiniBatch | Outcome | Row[Any]) -> Sums:
    counts = (told.rows_in, told.rows_out, told.rows_rejected)
    return of_mini_batch(MiniBatchState(told.state), sized.files, sized.rows, sized.bytes, counts)


def _file_row(job: str, file: LedgerFile) -> Mapping[str, Any]:
    return {"job": job, **vars(file), "state": file.state.value, "planned": False}


def _mini_batch_row(job: str, mini_batch: MiniBatch) -> Mapping[str, Any]:
    fields = {name: value for name, value in vars(mini_batch).items() if name != "id"}
    place = {"file": mini_batch.id.file, "piece": mini_batch.id.piece}
    return {"job": job, **fields, **place, "state": mini_batch.state.value}


def _note_row(job: str, outcome: Outcome) -> Mapping[str, Any]:
    told = {f"new_{name}": getattr(outcome, name) for name in _TOLD}
    place = {"of_job": job, "of_file": outcome.id.file, "of_piece": outcome.id.piece}
    return {**told, "new_state": outcome.state.value, **place}


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == _AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk

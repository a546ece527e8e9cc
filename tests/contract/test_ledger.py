"""What every ledger of batch jobs does, on SQLite and on a real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from penstock.domain.errors import PenstockError
from penstock.store.ledger import FileState, Ledger, LedgerFile, MiniBatch, MiniBatchId, MiniBatchState, Outcome
from penstock.store.sql import SqlStore

TODO, DONE, FAILED = MiniBatchState.TODO, MiniBatchState.DONE, MiniBatchState.FAILED


def a_file(number: int, **fields: object) -> LedgerFile:
    given = LedgerFile(number=number, uri=f"/data/{number}.csv", name=f"{number}.csv", size=10, version="7")
    return replace(given, **fields)  # type: ignore[arg-type]


def a_mini_batch(file: int, piece: int = 0, **fields: object) -> MiniBatch:
    given = MiniBatch(id=MiniBatchId(file, piece), files=1, segments="[]", rows=-1, bytes=10)
    return replace(given, **fields)  # type: ignore[arg-type]


def done(file: int, piece: int = 0, rows: int = 5, **fields: object) -> Outcome:
    given = Outcome(id=MiniBatchId(file, piece), state=DONE, attempt=0, parts="p", rows_in=rows, rows_out=rows)
    return replace(given, **fields)  # type: ignore[arg-type]


@pytest.fixture
def ledger(store: SqlStore) -> Ledger:
    return store.ledger()


@pytest.fixture
def cut(ledger: Ledger) -> Ledger:
    """Three files, each a mini-batch."""
    ledger.open("job", [a_file(n) for n in range(3)])
    ledger.cut("job", [0, 1, 2], [a_mini_batch(n) for n in range(3)])
    return ledger


def test_the_input_of_a_job_is_written_down_once(ledger: Ledger) -> None:
    assert not ledger.opened("job")
    ledger.open("job", [a_file(0), a_file(1)])
    ledger.open("job", [a_file(0, size=99)])
    assert ledger.opened("job")
    assert not ledger.opened("other")
    assert ledger.files("job") == [a_file(0), a_file(1)]
    ledger.open("empty", [])
    assert ledger.opened("empty")
    assert ledger.totals("empty").files == 0


def test_a_file_is_cut_once_whatever_comes_later(cut: Ledger) -> None:
    cut.cut("job", [1, 2], [a_mini_batch(1, bytes=99), a_mini_batch(2, 1)])
    assert [(b.id, b.bytes) for b in cut.mini_batches("job")] == [((n, 0), 10) for n in range(3)]
    assert cut.files("job", state=FileState.LISTED) == []
    assert len(cut.files("job", state=FileState.CUT)) == 3


def test_mini_batches_come_in_the_order_of_the_input_and_from_where_one_left_off(ledger: Ledger) -> None:
    ledger.open("job", [a_file(n) for n in range(12)])
    ledger.cut("job", [10], [a_mini_batch(10, n) for n in range(11)])
    ledger.cut("job", [2], [a_mini_batch(2, 1), a_mini_batch(2, 0)])
    ids = [b.id for b in ledger.mini_batches("job")]
    assert ids == [(2, 0), (2, 1), *((10, n) for n in range(11))]
    after = ledger.mini_batches("job", after=MiniBatchId(2, 1), limit=2)
    assert [b.id for b in after] == [(10, 0), (10, 1)]


def test_what_is_done_stays_done_whatever_is_noted_later(cut: Ledger) -> None:
    cut.note("job", [done(1)])
    cut.note("job", [done(1, rows=9, parts="other"), Outcome(id=MiniBatchId(1, 0), state=TODO, attempt=1)])
    [kept] = cut.mini_batches("job", state=DONE)
    assert (kept.id, kept.parts, kept.rows_in) == ((1, 0), "p", 5)
    cut.reopen("job")
    assert [b.id for b in cut.mini_batches("job", state=TODO)] == [(0, 0), (2, 0)]


def test_failures_are_tried_again_when_a_job_is_resumed(cut: Ledger) -> None:
    cut.note("job", [Outcome(id=MiniBatchId(0, 0), state=FAILED, attempt=4, reason="it raised")])
    cut.set_aside("job", 1, FileState.FAILED, "it raised")
    assert cut.totals("job").files_failed == 2
    assert cut.mini_batches("job", state=FAILED)[0].reason == "it raised"
    cut.reopen("job")
    totals = cut.totals("job")
    assert (totals.files_failed, totals.mini_batches_by_state) == (0, {TODO: 3})
    assert cut.mini_batches("job")[0].attempt == 0


def test_totals_tell_how_far_a_job_is(cut: Ledger) -> None:
    assert cut.totals("job").rows is None  # nobody knows yet how many rows the files hold
    cut.note("job", [done(0), done(1, rows=7, rows_rejected=2)])
    cut.note("job", [Outcome(id=MiniBatchId(2, 0), state=FAILED, attempt=1)])
    totals = cut.totals("job")
    assert totals.mini_batches_by_state == {DONE: 2, FAILED: 1}
    assert (totals.rows_in, totals.rows_out, totals.rows_rejected) == (12, 12, 2)
    assert (totals.files, totals.files_done, totals.files_failed) == (3, 2, 1)
    assert (totals.bytes, totals.bytes_done) == (30, 30)
    cut.set_aside("job", 2, FileState.SKIPPED, "not a table")
    assert cut.totals("job").files_by_state == {FileState.CUT: 2, FileState.SKIPPED: 1}


def test_jobs_do_not_see_each_other_and_are_forgotten_alone(cut: Ledger) -> None:
    cut.open("other", [a_file(0)])
    cut.remove("job")
    cut.remove("job")
    assert not cut.opened("job")
    assert cut.mini_batches("job") == []
    assert cut.files("other") == [a_file(0)]


def test_only_who_leads_writes(store: SqlStore, fenced: SqlStore) -> None:
    with pytest.raises(PenstockError, match="another control plane leads"):
        fenced.ledger().open("job", [a_file(0)])
    assert not store.ledger().opened("job")
    store.acquire_lease("controllers", "us", datetime.now(UTC), timedelta(seconds=5))
    fenced.ledger().open("job", [a_file(0)])
    assert store.ledger().opened("job")


def test_a_hundred_thousand_files_are_written_down_at_once(ledger: Ledger) -> None:
    count = 100_000
    ledger.open("job", [a_file(n) for n in range(count)])
    ledger.cut("job", range(count), [a_mini_batch(n, files=10) for n in range(0, count, 10)])
    totals = ledger.totals("job")
    assert (totals.files, totals.mini_batches) == (count, count // 10)

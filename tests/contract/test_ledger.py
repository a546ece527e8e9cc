"""What every ledger of a job does, on SQLite, on a real PostgreSQL, and in the one for tests."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from penstock.domain.errors import Code, PenstockError
from penstock.store.ledger import (
    Aside,
    FileState,
    Ledger,
    LedgerFile,
    MiniBatch,
    MiniBatchId,
    MiniBatchState,
    Outcome,
)
from penstock.store.sql import SqlStore, open_store
from penstock.testing.ledger import MemoryLedger

JOB = "score-1"
TODO, DONE, FAILED = MiniBatchState.TODO, MiniBatchState.DONE, MiniBatchState.FAILED


def a_file(number: int, **fields: Any) -> LedgerFile:
    given = {"uri": f"/data/{number}.csv", "name": f"{number}.csv", "size": 100, "version": "7", **fields}
    return LedgerFile(number=number, **given)


def a_mini_batch(file: int, piece: int = 0, **fields: Any) -> MiniBatch:
    given = {"files": 1, "segments": f'["{file}-{piece}"]', "rows": 10, "bytes": 100, **fields}
    return MiniBatch(id=MiniBatchId(file, piece), **given)


def done(file: int, piece: int = 0, **fields: Any) -> Outcome:
    given = {"parts": '["p"]', "rows_in": 10, "rows_out": 9, "rows_rejected": 1, "attempt": 1, **fields}
    return Outcome(id=MiniBatchId(file, piece), state=DONE, **given)


def failed(file: int, piece: int = 0, attempt: int = 1) -> Outcome:
    return Outcome(id=MiniBatchId(file, piece), state=FAILED, attempt=attempt, reason="it broke")


def a_cut_job(ledger: Ledger, files: int = 3) -> None:
    ledger.open(JOB, [a_file(number) for number in range(files)])
    ledger.cut(JOB, range(files), [a_mini_batch(number) for number in range(files)])


def test_what_is_written_down_is_read_back_as_it_was_given(ledger: Ledger) -> None:
    odd = a_file(1, uri="/data/\udcff \0 \\ \u00e4", name="\ud800", size=2**50, version='W/"etag"')
    assert not ledger.opened(JOB)
    ledger.open(JOB, [a_file(0), odd])
    assert ledger.opened(JOB)
    assert list(ledger.files(JOB)) == [a_file(0), odd]
    ledger.cut(JOB, [0, 1], [a_mini_batch(0, rows=-1), a_mini_batch(1, rows=2**40, bytes=2**50)])
    ledger.note(JOB, [done(0, parts='["\u00e4"]', rows_in=2**40)])
    first, second = ledger.mini_batches(JOB)
    assert first == a_mini_batch(
        0, rows=-1, state=DONE, attempt=1, parts='["\u00e4"]', rows_in=2**40, rows_out=9, rows_rejected=1
    )
    assert second == a_mini_batch(1, rows=2**40, bytes=2**50)


def test_a_job_without_files_has_a_ledger_too(ledger: Ledger) -> None:
    ledger.open(JOB, [])
    assert ledger.opened(JOB)
    assert (ledger.totals(JOB).files, ledger.totals(JOB).rows) == (0, 0)


def test_a_ledger_is_opened_once_and_cut_once(ledger: Ledger) -> None:
    a_cut_job(ledger)
    ledger.note(JOB, [done(0)])
    before = (list(ledger.files(JOB)), list(ledger.mini_batches(JOB)), ledger.totals(JOB))
    ledger.open(JOB, [a_file(0, size=5), a_file(9)])
    ledger.cut(JOB, [0, 1, 2, 77], [a_mini_batch(0, rows=99), a_mini_batch(2), a_mini_batch(1, 1), a_mini_batch(77)])
    ledger.note(JOB, [done(0)])
    assert (list(ledger.files(JOB)), list(ledger.mini_batches(JOB)), ledger.totals(JOB)) == before


def test_a_file_that_is_cut_a_second_time_gets_no_more_pieces(ledger: Ledger) -> None:
    """Else the rows of the second cut would come beside those of the first."""
    ledger.open(JOB, [a_file(0)])
    ledger.cut(JOB, [0], [a_mini_batch(0, piece) for piece in range(2)])
    ledger.cut(JOB, [0], [a_mini_batch(0, piece) for piece in range(3)])
    assert [each.id.piece for each in ledger.mini_batches(JOB)] == [0, 1]


@pytest.mark.parametrize(
    "later", [failed(0), done(0, parts="other", rows_out=77), Outcome(id=MiniBatchId(0, 0), state=TODO, attempt=2)]
)
def test_what_is_done_stays_as_it_is_whatever_comes_later(ledger: Ledger, later: Outcome) -> None:
    a_cut_job(ledger)
    ledger.note(JOB, [done(0), later])
    ledger.note(JOB, [later])
    ledger.reopen(JOB)
    (only,) = ledger.mini_batches(JOB, state=DONE)
    assert (only.id, only.parts, only.rows_out) == (MiniBatchId(0, 0), '["p"]', 9)
    assert ledger.totals(JOB).rows_out == 9


def test_mini_batches_come_in_the_order_of_the_input_page_by_page(ledger: Ledger) -> None:
    ledger.open(JOB, [a_file(number) for number in (10, 2, 9)])
    wanted = [(file, piece) for file in (2, 9, 10) for piece in range(11)]
    ledger.cut(JOB, [2, 9, 10], [a_mini_batch(*place) for place in reversed(wanted)])
    ledger.note(JOB, [done(2, 3), failed(9, 0)])
    assert [file.number for file in ledger.files(JOB)] == [2, 9, 10]
    todo = [place for place in wanted if place not in ((2, 3), (9, 0))]
    for state, expected in ((None, wanted), (TODO, todo)):
        found: list[tuple[int, int]] = []
        after = None
        while page := ledger.mini_batches(JOB, state=state, after=after, limit=7):
            assert len(page) <= 7
            found += [tuple(each.id) for each in page]
            after = page[-1].id
        assert found == expected


def test_sums_tell_how_far_a_job_is(ledger: Ledger) -> None:
    ledger.open(JOB, [a_file(number) for number in range(6)])
    ledger.cut(JOB, [0, 1, 2, 3], [a_mini_batch(0, files=2), a_mini_batch(2, rows=-1), a_mini_batch(3)])
    skipped, broken = Aside(4, FileState.SKIPPED, "no table"), Aside(5, FileState.FAILED, "unreadable")
    ledger.set_all_aside(JOB, [Aside(4, FileState.FAILED, "first"), broken, skipped, Aside(99, FileState.FAILED, "?")])
    ledger.note(JOB, [done(0, rows_in=12), failed(3)])
    totals = ledger.totals(JOB)
    assert totals.files_by_state == {
        FileState.LISTED: 0,
        FileState.CUT: 4,
        FileState.SKIPPED: 1,
        FileState.FAILED: 1,
    }
    assert totals.mini_batches_by_state == {TODO: 1, DONE: 1, FAILED: 1}
    assert (totals.files, totals.files_done, totals.files_failed, totals.mini_batches) == (6, 2, 2, 3)
    assert (totals.rows, totals.rows_in, totals.rows_out, totals.rows_rejected) == (None, 12, 9, 1)
    assert (totals.bytes, totals.bytes_done) == (400, 200)
    ledger.note(JOB, [done(2, rows_in=8)])
    assert ledger.totals(JOB).rows == 12 + 8 + 10


def test_what_has_failed_is_tried_again_from_the_start_unless_it_came_out_in_part(ledger: Ledger) -> None:
    ledger.open(JOB, [a_file(number) for number in range(3)])
    ledger.cut(JOB, [0, 1], [a_mini_batch(0), a_mini_batch(1)])
    ledger.set_aside(JOB, 2, FileState.FAILED, "never cut")
    ledger.set_aside(JOB, 0, FileState.FAILED, "its script has not answered for it")
    ledger.note(JOB, [done(0), failed(1, attempt=4)])
    assert ledger.mini_batches(JOB, state=FAILED)[0].reason == "it broke"
    ledger.reopen(JOB)
    assert [file.number for file in ledger.files(JOB, state=FileState.LISTED)] == [2]
    assert list(ledger.mini_batches(JOB, state=TODO)) == [a_mini_batch(1)]
    assert (ledger.totals(JOB).files_failed, ledger.totals(JOB).rows_in) == (1, 10)


def test_files_that_failed_in_a_done_mini_batch_are_done_anew_with_it_if_that_is_asked(ledger: Ledger) -> None:
    a_cut_job(ledger)
    ledger.note(JOB, [done(0), done(1)])
    ledger.set_all_aside(JOB, [Aside(0, FileState.FAILED, "x"), Aside(1, FileState.SKIPPED, "y")])
    assert ledger.totals(JOB).files_done == 0
    ledger.reopen(JOB, [0, 2], [MiniBatchId(0, 0), MiniBatchId(2, 0)])
    assert [each.id.file for each in ledger.mini_batches(JOB, state=TODO)] == [0, 2]
    assert [file.number for file in ledger.files(JOB, state=FileState.CUT)] == [0, 2]
    ledger.note(JOB, [done(0, parts='["again"]')])
    totals = ledger.totals(JOB)
    assert (totals.files_done, totals.files_failed, totals.rows_in) == (1, 0, 20)
    assert ledger.mini_batches(JOB, state=DONE)[0].parts == '["again"]'


def test_jobs_know_nothing_of_each_other(ledger: Ledger) -> None:
    a_cut_job(ledger)
    before = ledger.totals(JOB)
    ledger.open("score-2", [a_file(0)])
    ledger.cut("score-2", [0], [a_mini_batch(0, rows=5)])
    ledger.note("score-2", [done(0)])
    assert ledger.totals(JOB) == before
    ledger.remove("score-2")
    ledger.remove("never")
    assert (ledger.opened("score-2"), list(ledger.files("score-2")), list(ledger.mini_batches("score-2"))) == (
        False,
        [],
        [],
    )
    assert ledger.totals("score-2").files == 0
    assert ledger.totals(JOB) == before


def test_what_is_said_of_unknown_jobs_and_mini_batches_is_passed_over(ledger: Ledger) -> None:
    ledger.cut("never", [0], [a_mini_batch(0)])
    ledger.note("never", [done(0)])
    ledger.set_aside("never", 0, FileState.FAILED, "?")
    assert not ledger.opened("never")
    a_cut_job(ledger)
    ledger.note(JOB, [done(77), done(0)])
    ledger.set_aside(JOB, 77, FileState.FAILED, "?")
    assert ledger.totals(JOB).rows_in == 10


class _AsTheFake(RuleBasedStateMachine):
    """Does the same to the ledger and to the one for tests; `ledger` and `jobs` are given by the test."""

    ledger: Ledger
    jobs: Iterator[int]
    numbers = st.integers(0, 5)
    ids = st.builds(MiniBatchId, numbers, st.integers(0, 2))
    counts = st.integers(0, 50)

    def __init__(self) -> None:
        super().__init__()
        self.job = f"job-{next(self.jobs)}"
        self.fake = MemoryLedger()
        self.committed: dict[MiniBatchId, MiniBatch] = {}

    def both(self, act: Callable[[Ledger], None]) -> None:
        act(self.ledger)
        act(self.fake)

    @rule(numbers=st.sets(numbers), size=counts)
    def open(self, numbers: set[int], size: int) -> None:
        self.both(lambda ledger: ledger.open(self.job, [a_file(number, size=size) for number in numbers]))

    @rule(numbers=st.sets(numbers), ids=st.sets(ids), files=st.integers(0, 3), rows=st.integers(-1, 50))
    def cut(self, numbers: set[int], ids: set[MiniBatchId], files: int, rows: int) -> None:
        new = [a_mini_batch(*id_, files=files, rows=rows) for id_ in ids]
        self.both(lambda ledger: ledger.cut(self.job, sorted(numbers), new))

    @rule(number=numbers, state=st.sampled_from([FileState.SKIPPED, FileState.FAILED]))
    def set_aside(self, number: int, state: FileState) -> None:
        self.both(lambda ledger: ledger.set_aside(self.job, number, state, "why"))

    @rule(
        outcomes=st.lists(
            st.builds(
                Outcome,
                id=ids,
                state=st.sampled_from(MiniBatchState),
                attempt=counts,
                parts=st.sampled_from(["", "[1]", "[2]"]),
                rows_in=counts,
                rows_out=counts,
                rows_rejected=counts,
            ),
            max_size=8,
        )
    )
    def note(self, outcomes: list[Outcome]) -> None:
        self.both(lambda ledger: ledger.note(self.job, outcomes))

    @rule()
    def reopen(self) -> None:
        self.both(lambda ledger: ledger.reopen(self.job))

    @invariant()
    def same(self) -> None:
        found = self.ledger.mini_batches(self.job)
        assert list(found) == list(self.fake.mini_batches(self.job))
        assert list(self.ledger.files(self.job)) == list(self.fake.files(self.job))
        assert self.ledger.totals(self.job) == self.fake.totals(self.job)
        present = {each.id: each for each in found}
        assert all(present[id_] == each for id_, each in self.committed.items()), "what was done has changed"
        self.committed = {id_: each for id_, each in present.items() if each.state is DONE}


def test_whatever_is_done_to_it_a_database_tells_what_the_one_for_tests_tells(store: SqlStore) -> None:
    machine = type("Machine", (_AsTheFake,), {"ledger": store.ledger(), "jobs": count()})
    few = settings(max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=few)


def test_who_has_lost_the_lease_writes_nothing(store: SqlStore, fenced: SqlStore) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    ledger = fenced.ledger()
    with pytest.raises(PenstockError) as error:
        ledger.open(JOB, [a_file(0)])
    assert error.value.code is Code.CONFLICT
    assert store.acquire_lease("controllers", "us", now, timedelta(seconds=5))
    a_cut_job(ledger)
    store.release_lease("controllers", "us")
    assert store.acquire_lease("controllers", "them", now, timedelta(seconds=5))
    before = store.ledger().totals(JOB)
    writes: list[Callable[[], None]] = [
        lambda: ledger.open("other", [a_file(0)]),
        lambda: ledger.cut(JOB, [0], [a_mini_batch(0, 5)]),
        lambda: ledger.set_aside(JOB, 0, FileState.FAILED, "x"),
        lambda: ledger.note(JOB, [done(0)]),
        lambda: ledger.reopen(JOB),
        lambda: ledger.remove(JOB),
    ]
    for write in writes:
        with pytest.raises(PenstockError, match="another control plane") as error:
            write()
        assert error.value.code is Code.CONFLICT
    assert ledger.totals(JOB) == before


WRITER = """
import sys
from penstock.store.ledger import LedgerFile, MiniBatch, MiniBatchId, MiniBatchState, Outcome
from penstock.store.sql import open_store

ledger, run = open_store(sys.argv[1]).ledger(), sys.argv[2]
n = 0
while True:
    job, n = f"{run}-{n}", n + 1
    ledger.open(job, [LedgerFile(number=i, uri="u", name="n", size=1, version="1") for i in range(500)])
    print("open", job, flush=True)
    ids = [MiniBatchId(i, 0) for i in range(500)]
    ledger.cut(job, range(500), [MiniBatch(id=i, files=1, segments="x" * 500, rows=1, bytes=1) for i in ids])
    print("cut", job, flush=True)
    for at in range(0, 500, 100):
        told = [Outcome(id=i, state=MiniBatchState.DONE, attempt=0, rows_in=1) for i in ids[at : at + 100]]
        ledger.note(job, told)
        print("note", job, flush=True)
"""


def test_kill_9_of_a_writer_leaves_every_write_whole_or_undone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'penstock.db'}"
    for run in range(4):
        said: list[str] = []
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(run)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            said.append(writer.stdout.readline())
            time.sleep(0.03 * run)
            writer.send_signal(signal.SIGKILL)
            said += writer.stdout.readlines()
        with closing(open_store(url)) as store:
            ledger = store.ledger()
            for job in (f"{run}-{n}" for n in range(len(said) + 1)):
                lines = [line.split()[0] for line in said if line.split()[1:] == [job]]
                totals, rows = ledger.totals(job), ledger.mini_batches(job, state=DONE)
                assert totals.files in ({500} if "open" in lines else {0, 500})
                assert totals.mini_batches in ({500} if "cut" in lines else {0, 500})
                assert len(rows) == totals.rows_in == totals.mini_batches_by_state[DONE]
                assert len(rows) in (100 * lines.count("note"), 100 * (lines.count("note") + 1))


def test_a_ledger_of_many_files_is_opened_within_seconds(tmp_path: Path) -> None:
    """All other writers wait for that: it takes one on a machine that has nothing else to do."""
    files = [a_file(number, uri=f"/data/of/some/depth/part-{number:06d}.parquet") for number in range(100_000)]
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as store:
        ledger = store.ledger()
        began = time.process_time()
        ledger.open(JOB, files)
        assert time.process_time() - began < 5
        assert ledger.totals(JOB).files == 100_000

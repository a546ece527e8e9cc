"""Steps of a job that meet the unexpected: parts that are gone, a clock that was set, a step that failed half-way."""

import shutil
import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.job_bench import JobBench

from penstock.batch.transfers import MOVER
from penstock.domain.errors import PenstockError, unavailable
from penstock.domain.job import JobState
from penstock_worker.batch_contract import RUN_FAILED

_FILES = [f"{n}.csv" for n in range(6)]


@pytest.fixture
def bench(tmp_path: Path) -> Generator[JobBench]:
    bench = JobBench(tmp_path)
    yield bench
    bench.close()


def running(bench: JobBench, **fields: object) -> None:
    bench.invoke("job", **fields)
    bench.until("job", JobState.RUNNING, lambda: bench.load("job"))


def rows(bench: JobBench) -> list[str]:
    return (bench.places.outputs("job") / "score" / "predictions.csv").read_text().split()


def test_parts_that_are_gone_are_scored_again_before_the_final_files_are_made(bench: JobBench) -> None:
    """As where another machine's platform has led meanwhile, whose parts are there."""
    running(bench)
    bench.answer("job", "w0", bench.folder("job").tasks("w0")[0])
    bench.step("job")
    shutil.rmtree(bench.folder("job").path / "parts")
    (bench.folder("job").path / "parts").mkdir()
    bench.until("job", JobState.COMPLETED, lambda: bench.work("job"))
    assert rows(bench) == _FILES
    assert bench.status("job").progress.rows_done == len(_FILES)


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_is_set_neither_ends_workers_nor_lets_them_hang(
    bench: JobBench, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    offsets = {"time": 0.0, "monotonic": 0.0}
    real_time, real_monotonic = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: real_time() + offsets["time"])
    monkeypatch.setattr(time, "monotonic", lambda: real_monotonic() + offsets["monotonic"])
    running(bench, instance_count=1, overrides={"retry_settings.timeout": 60})
    (bench.folder("job").path / "current" / "w0").write_text(bench.folder("job").tasks("w0")[0])
    offsets["time"] += hours * 3600
    bench.step("job")
    assert bench.running("job") == ["w0"]
    for name in offsets:
        offsets[name] += 61
    bench.step("job")
    assert bench.running("job") == []


def test_what_a_failed_step_has_done_by_half_is_found_anew(bench: JobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mini-batch that failed once counts once, and is handed out once, however often that could not be written."""
    running(bench, instance_count=2, overrides={"retry_settings.max_retries": 1})
    first = bench.folder("job").tasks("w0")[0]
    bench.answer("job", "w0", first, reason=RUN_FAILED)

    def away(*_: object) -> None:
        raise unavailable("the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(bench.ledger, "note", away)
        for _ in range(3):
            with pytest.raises(PenstockError):
                bench.step("job")
            bench.step("job")  # finds what is under way
    assert "does not answer" in bench.status("job").message
    bench.step("job")
    held = [task for worker in bench.workers("job") for task in bench.folder("job").tasks(worker)]
    assert held.count(first) == 1
    bench.until("job", JobState.COMPLETED, lambda: bench.work("job"))
    assert rows(bench) == _FILES


def test_what_a_deployment_of_a_running_job_has_lost_is_laid_out_again(bench: JobBench) -> None:
    running(bench)
    app = bench.places.deployment("sizes/first")
    shutil.rmtree(app)
    bench.engine.die("job.job.w1", -9)
    bench.engine.unstartable.add("job.job.w1")
    with pytest.raises(PenstockError):
        bench.step("job")
    assert "cannot start" in bench.status("job").message
    bench.engine.unstartable.clear()
    bench.until("job", JobState.COMPLETED, lambda: bench.work("job"))
    assert list(app.rglob("score.py"))


def test_a_job_whose_output_is_on_its_way_keeps_no_seat_from_others(tmp_path: Path) -> None:
    bench = JobBench(tmp_path, seats=1)
    bench.invoke("job", output_path="s3://lake/out")
    bench.until("job", JobState.FINALIZING, lambda: bench.work("job"))
    bench.invoke("next")
    bench.until("next", JobState.QUEUED)
    bench.step("next")
    bench.enqueued.clear()
    while "z-store" not in bench.folder("job").tasks(MOVER):
        bench.step("job")
        bench.work("job")
    bench.step("job")
    assert bench.enqueued == ["next"]
    assert bench.running("job") == [MOVER]
    bench.until("next", JobState.COMPLETED, lambda: bench.work("next"))
    bench.close()


def test_a_job_is_looked_at_less_while_its_workers_have_enough_to_do_and_sooner_once_some_of_it_fails(
    bench: JobBench,
) -> None:
    """Looks that find nothing take from the processor that workers could have."""

    def next_look(reason: str = "") -> timedelta | None:
        bench.answer("job", "w0", bench.folder("job").tasks("w0")[0], reason=reason)
        return bench.step("job")

    for number in range(6, 12):
        (bench.data / f"{number}.csv").write_text(f"{number}\n")
    bench.invoke("job", instance_count=1)
    bench.until("job", JobState.RUNNING, lambda: bench.load("job"))
    soon = bench.step("job")
    assert soon is not None
    assert next_look() == timedelta(milliseconds=250)
    assert next_look(RUN_FAILED) == soon
    assert next_look() == timedelta(milliseconds=250)
    while len(bench.folder("job").tasks("w0")) > 1:
        next_look()
    assert bench.step("job") == soon

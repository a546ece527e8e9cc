"""Jobs from end to end, with an engine without processes: how they end, whoever hangs, cancels or wants the same."""

from collections.abc import Callable, Generator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from support.job_bench import ME, JobBench

from penstock.batch.crew import LONGEST_START
from penstock.batch.transfers import MOVER
from penstock.domain.errors import Code, PenstockError
from penstock.domain.job import JobState
from penstock_worker import batch_contract
from penstock_worker.batch_contract import NO_SPACE, RUN_FAILED, Result, result_path, stored_mark

_LATE = LONGEST_START.total_seconds() + 1


@pytest.fixture
def bench(tmp_path: Path) -> Generator[JobBench]:
    bench = JobBench(tmp_path, kept_for=timedelta(days=30))
    yield bench
    bench.close()


def test_workers_that_hang_before_they_are_ready_are_killed_and_end_the_job(bench: JobBench) -> None:
    bench.invoke("stuck", instance_count=1)
    bench.until("stuck", JobState.RUNNING, lambda: bench.load("stuck"))
    bench.work("stuck")
    bench.step("stuck")
    bench.engine.die("job.stuck.w0", -9)
    bench.engine.stubborn.update(f"job.stuck.w{n}" for n in range(9))
    hung: list[str] = []

    def hang() -> None:
        for worker in bench.running("stuck"):
            hung.append(worker)
            bench.silent("stuck", worker, _LATE)

    bench.jobs.cancel("stuck", actor=ME)
    bench.until("stuck", JobState.CANCELED)
    bench.jobs.resume("stuck", actor=ME)
    status = bench.until("stuck", JobState.FAILED, hang)
    assert "not ready within 20 minutes" in status.message
    assert len(hung) == 2
    bench.settled("stuck")
    assert bench.processes("stuck") == []


def test_a_worker_that_hung_once_before_it_was_ready_is_replaced(bench: JobBench) -> None:
    bench.invoke("slow", instance_count=1)
    bench.until("slow", JobState.STARTING)
    while not bench.running("slow"):
        bench.step("slow")
    bench.silent("slow", "w0", _LATE)
    status = bench.until("slow", JobState.COMPLETED, lambda: bench.work("slow") if _fresh(bench) else None)
    assert status.progress.files_done == 6


def _fresh(bench: JobBench) -> bool:
    return bench.running("slow") != ["w0"] or bench.folder("slow").quiet_seconds("w0") < _LATE


def _queued(bench: JobBench) -> None:
    bench.invoke("first")
    bench.until("first", JobState.RUNNING, lambda: bench.load("first"))
    bench.invoke("job")
    bench.until("job", JobState.QUEUED)


def _running(bench: JobBench) -> None:
    bench.until("job", JobState.RUNNING, lambda: bench.load("job"))


def _scored_in_part(bench: JobBench) -> None:
    _running(bench)
    worker = bench.running("job")[0]
    bench.answer("job", worker, bench.folder("job").tasks(worker)[0])
    bench.step("job")


def _waiting_for_a_full_disk(bench: JobBench) -> None:
    _running(bench)
    worker = bench.running("job")[0]
    bench.answer("job", worker, bench.folder("job").tasks(worker)[0], reason=NO_SPACE)
    bench.step("job")
    assert bench.status("job").message == "the disk is full"


def _preparing(bench: JobBench) -> None:
    bench.bench.environments.seconds = 0.3  # which the build takes
    bench.until("job", JobState.PREPARING)


def _finalizing(bench: JobBench) -> None:
    bench.until("job", JobState.FINALIZING, lambda: bench.work("job"))


def _published(bench: JobBench) -> None:
    """The final files are made, and nobody has looked yet."""
    _finalizing(bench)
    while not any("z-finish" in bench.folder("job").tasks(worker) for worker in bench.running("job")):
        bench.step("job")
    bench.work("job")


STATES: Mapping[str, Callable[[JobBench], object]] = {
    "not looked at": lambda bench: None,
    "queued": lambda bench: bench.step("job"),
    "starting": lambda bench: bench.until("job", JobState.STARTING),
    "preparing": _preparing,
    "running": _running,
    "waiting for a full disk": _waiting_for_a_full_disk,
    "scored in part": _scored_in_part,
    "finalizing": _finalizing,
    "its final files made": _published,
}


@pytest.mark.parametrize("state", STATES)
def test_a_job_is_canceled_in_every_state_and_leaves_the_output_as_it_was(
    bench: JobBench, tmp_path: Path, state: str
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "other.csv").write_text("others")
    bench.invoke("job", output_path=str(output))
    STATES[state](bench)
    bench.engine.stubborn.update(bench.engine_names("job"))
    bench.jobs.cancel("job", actor=ME)
    before = bench.clock.now()
    bench.until("job", JobState.CANCELED)
    assert bench.clock.now() - before < timedelta(seconds=7)
    assert [path.name for path in output.iterdir()] == ["other.csv"]
    bench.settled("job")
    assert bench.processes("job") == []
    bench.jobs.resume("job", actor=ME)
    bench.engine.stubborn.clear()
    bench.until("job", JobState.COMPLETED, lambda: bench.work("job"))
    assert (output / "predictions.csv").read_text().split() == [f"{n}.csv" for n in range(6)]


def test_a_resumed_job_does_not_go_on_with_the_final_files_before_it_has_tried_what_had_failed(bench: JobBench) -> None:
    bench.invoke("job", instance_count=1, overrides={"retry_settings.max_retries": 0})
    _running(bench)
    bench.answer("job", "w0", bench.folder("job").tasks("w0")[0], reason=RUN_FAILED)
    bench.step("job")
    bench.until("job", JobState.FINALIZING, lambda: bench.work("job"))
    while "z-finish" not in bench.folder("job").tasks("w0"):
        bench.step("job")
    bench.jobs.cancel("job", actor=ME)
    bench.until("job", JobState.CANCELED)
    bench.jobs.resume("job", actor=ME)
    status = bench.until("job", JobState.COMPLETED, lambda: bench.work("job"))
    assert (status.progress.files_done, status.progress.files_failed) == (6, 0)


@pytest.mark.parametrize("answers", [True, False], ids=["the other machine answers", "it does not"])
def test_what_the_mover_has_stored_is_taken_back_when_the_job_is_canceled(bench: JobBench, *, answers: bool) -> None:
    bench.invoke("job", output_path="s3://bucket/scores")
    bench.until("job", JobState.FINALIZING, lambda: bench.work("job"))
    folder = bench.folder("job")
    while "z-store" not in folder.tasks(MOVER):
        bench.step("job")
        bench.work("job")
    mark = stored_mark(folder.path, "z-store")
    mark.parent.mkdir()
    mark.write_text('["predictions.csv"]')
    bench.jobs.cancel("job", actor=ME)

    def withdraw() -> None:
        if "z-withdraw" in folder.tasks(MOVER) and answers:
            mark.unlink()
            batch_contract.write(result_path(folder.path, "z-withdraw", 1), Result("z-withdraw", 1, MOVER))
            folder.withdraw(MOVER, "z-withdraw")
        bench.clock.advance(timedelta(seconds=5))

    status = bench.until("job", JobState.CANCELED, withdraw)
    assert mark.exists() is not answers
    assert ("Files of it may be left at s3://bucket/scores" in status.message) is not answers
    bench.settled("job")
    assert bench.processes("job") == []


def test_a_job_without_a_seat_is_canceled_at_once(tmp_path: Path) -> None:
    bench = JobBench(tmp_path, seats=1)
    _queued(bench)
    bench.jobs.cancel("job", actor=ME)
    bench.step("job")
    assert bench.status("job").state is JobState.CANCELED
    bench.close()


def test_who_waits_for_a_seat_is_woken_when_one_is_free(tmp_path: Path) -> None:
    bench = JobBench(tmp_path, seats=1)
    _queued(bench)
    assert bench.step("job") >= timedelta(seconds=5)
    bench.jobs.cancel("first", actor=ME)
    bench.enqueued.clear()
    bench.until("first", JobState.CANCELED)
    assert "job" in bench.enqueued
    bench.until("job", JobState.COMPLETED, lambda: bench.work("job"))
    bench.close()


def test_of_two_jobs_with_one_output_the_second_is_refused_before_it_does_anything(
    bench: JobBench, tmp_path: Path
) -> None:
    output = str(tmp_path / "out")
    bench.invoke("one", output_path=output)
    with pytest.raises(PenstockError, match="job 'one', which is not over, writes to") as error:
        bench.invoke("two", output_path=f"{tmp_path}/./out/")
    assert error.value.code is Code.CONFLICT
    bench.invoke("three", output_path=output, output_file_name="three.csv")
    bench.until("one", JobState.COMPLETED, lambda: bench.work("one"))
    with pytest.raises(PenstockError, match=r"holds predictions\.csv already"):
        bench.invoke("two", output_path=output)


def test_of_two_invocations_at_once_with_one_output_one_job_is_refused_at_its_beginning(
    bench: JobBench, tmp_path: Path
) -> None:
    output = str(tmp_path / "out")
    bench.invoke("one", output_path=output)
    spec = bench.job("one").spec.model_copy(update={"name": "two"})
    bench.resources.apply(bench.kind, "two", spec, actor=ME)  # as one that had looked before the other one was written
    bench.step("two")
    assert bench.status("two").state is JobState.QUEUED
    bench.step("one")
    assert bench.status("one").state is JobState.FAILED
    assert "job 'two', which is not over, writes to" in bench.status("one").message
    with pytest.raises(PenstockError, match="'two'"):
        bench.jobs.resume("one", actor=ME)
    bench.until("two", JobState.COMPLETED, lambda: bench.work("two"))


def test_rates_of_a_resumed_job_are_of_what_it_scores_itself(bench: JobBench) -> None:
    bench.invoke("job", instance_count=1)
    _scored_in_part(bench)
    bench.jobs.cancel("job", actor=ME)
    bench.until("job", JobState.CANCELED)
    bench.jobs.resume("job", actor=ME)
    _running(bench)
    bench.clock.advance(timedelta(seconds=10))
    bench.work("job")
    status = bench.until("job", JobState.COMPLETED, lambda: bench.work("job"))
    assert status.progress.rows_done == 6
    assert status.progress.rows_per_second <= 0.4  # four rows in more than ten seconds


def test_files_that_a_script_has_not_answered_for_are_scored_again_when_the_job_is_resumed(
    bench: JobBench, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    bench.invoke("job", output_path=str(output), overrides={"error_threshold": 0})
    bench.until("job", JobState.FAILED, lambda: bench.work("job", unanswered=3))
    assert bench.status("job").progress.files_failed == 1
    bench.settled("job")
    bench.jobs.resume("job", actor=ME)
    status = bench.until("job", JobState.COMPLETED, lambda: bench.work("job"))
    assert (status.progress.files_done, status.progress.files_failed) == (6, 0)
    assert (output / "predictions.csv").read_text().split() == [f"{n}.csv" for n in range(6)]


@pytest.mark.parametrize("archived", [False, True], ids=["after thirty days", "when it is archived"])
def test_what_a_job_can_be_resumed_from_goes(bench: JobBench, *, archived: bool) -> None:
    bench.invoke("job")
    _scored_in_part(bench)
    bench.jobs.cancel("job", actor=ME)
    bench.until("job", JobState.CANCELED)
    again = bench.settled("job")
    assert again is not None
    assert bench.places.work("job").exists()
    if archived:
        bench.jobs.archive("job", archived=True, actor=ME)
    else:
        bench.clock.advance(timedelta(days=30))
    assert bench.settled("job") is None
    assert not bench.places.work("job").exists()
    assert "begins at the start" in bench.status("job").message
    bench.jobs.resume("job", actor=ME)
    status = bench.until("job", JobState.COMPLETED, lambda: bench.work("job"))
    assert (status.progress.rows_done, status.expired) == (6, False)

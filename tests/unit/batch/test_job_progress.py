"""What is said of how far a job is, of what it has set aside, and when it is given up."""

from datetime import UTC, datetime

import pytest

from penstock.batch.job_progress import hopeless, overview, verdict
from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.job import Job, JobInput, JobProgress, JobState, JobStatus
from penstock.store.ledger import FileState, LedgerFile, MiniBatchState, Totals

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def a_file(number: int) -> LedgerFile:
    name, reason = f"{number}.docx", "File type 'docx' is not supported"
    return LedgerFile(
        number=number, uri=f"/d/{name}", name=name, size=1, version="1", state=FileState.SKIPPED, reason=reason
    )


def test_the_overview_names_the_files_that_were_set_aside_and_says_why() -> None:
    status = JobStatus(state=JobState.COMPLETED, progress=JobProgress(files_total=3, files_done=1, files_skipped=2))
    lines = overview("nightly", a_job(), status, NOW, [a_file(0), a_file(7)]).splitlines()
    assert lines[1] == "Files: 1 of 3 done, 0 failed, 2 set aside"
    assert lines[-2:] == ["0.docx: File type 'docx' is not supported", "7.docx: File type 'docx' is not supported"]


def test_the_overview_does_not_grow_with_a_hundred_thousand_files_that_were_set_aside() -> None:
    lines = overview("nightly", a_job(), JobStatus(), NOW, [a_file(number) for number in range(100_000)]).splitlines()
    assert len(lines) < 1010
    assert lines[-1] == "and 99,000 more files"


def a_job(attempt: int = 1) -> Job:
    return Job(
        endpoint_name="score",
        deployment_name="first",
        deployment=BatchDeployment(model="azureml:m:1"),
        inputs={"x": JobInput(path="/data")},
        attempt=attempt,
    )


@pytest.mark.parametrize(
    ("skipped", "rejected", "aside", "rejects"),
    [
        (1, 1, "1 file was set aside", "1 row was rejected"),
        (2, 1200, "2 files were set aside", "1,200 rows were rejected"),
    ],
)
def test_what_a_completed_job_has_left_out_is_counted_in_words(
    skipped: int, rejected: int, aside: str, rejects: str
) -> None:
    files = {FileState.SKIPPED: skipped}
    found = Totals(
        files=9, files_by_state=files, mini_batches_by_state={MiniBatchState.DONE: 1}, rows_rejected=rejected
    )
    told = f"{aside}: see logs/job_progress_overview.txt; {rejects}: see rejects.jsonl in the output"
    assert verdict(a_job(), found).message == told


def totals(failed: int, done: int = 0) -> Totals:
    states = {MiniBatchState.FAILED: failed, MiniBatchState.DONE: done, MiniBatchState.TODO: 5000 - failed - done}
    return Totals(files_by_state={}, mini_batches=5000, mini_batches_by_state=states)


@pytest.mark.parametrize(
    ("job", "found", "given_up"),
    [
        pytest.param(a_job(), totals(20), True, id="all of many have failed"),
        pytest.param(a_job(), totals(19), False, id="not enough have been tried"),
        pytest.param(a_job(), totals(4000, 1), False, id="one has succeeded: error_threshold decides"),
        pytest.param(a_job(2), totals(4000), False, id="who resumes it wants all of them tried"),
    ],
)
def test_a_job_is_given_up_once_nothing_but_failures_is_seen(job: Job, found: Totals, given_up: bool) -> None:
    assert bool(hopeless(job, found)) == given_up

"""What is said of how far a job is, and of what it has set aside."""

from datetime import UTC, datetime

from penstock.batch.job_progress import overview
from penstock.domain.job import JobProgress, JobState, JobStatus
from penstock.store.ledger import FileState, LedgerFile

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def a_file(number: int) -> LedgerFile:
    name, reason = f"{number}.docx", "File type 'docx' is not supported"
    return LedgerFile(
        number=number, uri=f"/d/{name}", name=name, size=1, version="1", state=FileState.SKIPPED, reason=reason
    )


def test_the_overview_names_the_files_that_were_set_aside_and_says_why() -> None:
    status = JobStatus(state=JobState.COMPLETED, progress=JobProgress(files_total=3, files_done=1, files_skipped=2))
    lines = overview("nightly", status, NOW, [a_file(0), a_file(7)]).splitlines()
    assert lines[1] == "Files: 1 of 3 done, 0 failed, 2 set aside"
    assert lines[-2:] == ["0.docx: File type 'docx' is not supported", "7.docx: File type 'docx' is not supported"]


def test_the_overview_does_not_grow_with_a_hundred_thousand_files_that_were_set_aside() -> None:
    lines = overview("nightly", JobStatus(), NOW, [a_file(number) for number in range(100_000)]).splitlines()
    assert len(lines) < 1010
    assert lines[-1] == "and 99,000 more files"

"""How far a job is, and how it has ended, out of the sums of its ledger. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from penstock.domain.job import Job, JobEstimate, JobProgress, JobStatus
from penstock.store.ledger import FileState, LedgerFile, MiniBatchState, Totals

_MOST_FAILED = 20  # mini-batches that are tried before a job is given up, spread over its input
_MOST_TOLD = 1000  # files that were set aside, in the overview
_NOTHING_SUCCEEDED = "No succeeded mini batch item returned from run()"  # Azure's words


@dataclass(frozen=True)
class Verdict:
    """Whether a job that has nothing left to do has succeeded, and a sentence about it, empty if all is well."""

    succeeded: bool
    message: str = ""


def progress(totals: Totals, status: JobStatus, now: datetime) -> JobProgress:
    """Rates are of this attempt: what earlier ones have done took no time of it."""
    seconds = (now - status.scoring_since).total_seconds() if status.scoring_since is not None else 0.0
    rows, bytes_ = max(0, totals.rows_in - status.rows_before), max(0, totals.bytes_done - status.bytes_before)
    todo = totals.mini_batches_by_state.get(MiniBatchState.TODO, 0)
    planned = not totals.files_by_state.get(FileState.LISTED, 0)
    return JobProgress(
        files_total=totals.files,
        files_done=totals.files_done,
        files_failed=totals.files_failed,
        files_skipped=totals.files_by_state.get(FileState.SKIPPED, 0),
        mini_batches_total=totals.mini_batches if planned else None,
        mini_batches_done=totals.mini_batches_by_state.get(MiniBatchState.DONE, 0),
        mini_batches_failed=totals.mini_batches_by_state.get(MiniBatchState.FAILED, 0),
        rows_total=totals.rows if planned else None,
        rows_done=totals.rows_in,
        items_done=totals.rows_out,
        rows_rejected=totals.rows_rejected,
        bytes_total=totals.bytes,
        bytes_done=totals.bytes_done,
        rows_per_second=round(rows / seconds, 1) if seconds > 0 else 0.0,
        seconds_left=round(seconds * (totals.bytes - totals.bytes_done) / bytes_, 1) if bytes_ and todo else None,
    )


def over_threshold(spec: Job, totals: Totals) -> str:
    """Why a job has failed already, empty if it has not: more files have failed than its deployment puts up with."""
    threshold = spec.deployment.settings.error_threshold
    if threshold < 0 or totals.files_failed <= threshold:
        return ""
    return f"{counted(totals.files_failed, 'file')} failed, and error_threshold is {threshold}: see logs/user/error.txt"


def hopeless(spec: Job, totals: Totals) -> str:
    """Why a job is given up whose mini-batches have all failed so far, empty if it is not. Who resumes it wants all
    of them tried."""
    failed = totals.mini_batches_by_state.get(MiniBatchState.FAILED, 0)
    if spec.attempt > 1 or failed < _MOST_FAILED or totals.mini_batches_by_state.get(MiniBatchState.DONE, 0):
        return ""
    return (
        f"{_NOTHING_SUCCEEDED}: {failed} of {totals.mini_batches} mini-batches were tried, and all of them failed; the "
        "rest was given up. See logs/user/error.txt; `penstock job resume` tries all of them"
    )


def verdict(spec: Job, totals: Totals) -> Verdict:
    """Of a job all of whose mini-batches are done or have failed."""
    over = over_threshold(spec, totals)
    failed = totals.mini_batches_by_state.get(MiniBatchState.FAILED, 0)
    done = totals.mini_batches_by_state.get(MiniBatchState.DONE, 0)
    if over:
        return Verdict(False, over)
    if failed and not done:
        return Verdict(False, f"{_NOTHING_SUCCEEDED}: all {failed} mini-batches failed; see logs/user/error.txt")
    told: list[str] = []
    if not totals.files:
        told.append(f"there was nothing new: job {spec.since!r} had scored all files as they are")
    if totals.files_failed:
        told.append(f"{totals.files_failed} of {counted(totals.files, 'file')} failed: see logs/user/error.txt")
    skipped = totals.files_by_state.get(FileState.SKIPPED, 0)
    if skipped:
        told.append(f"{_were(skipped, 'file')} set aside: see logs/job_progress_overview.txt")
    if totals.rows_rejected:
        told.append(f"{_were(totals.rows_rejected, 'row')} rejected: see rejects.jsonl in the output")
    return Verdict(True, "; ".join(told))


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a dry run has seen: of the first file, whose rows are `rows` (-1: not known), `read` in `seconds`."""

    read: int
    seconds: float
    rows: int
    size: int  # of that file, in bytes
    all_sizes: int
    files: int
    scripted: bool  # rows are files then


def estimate(trial: Trial, workers: int) -> JobEstimate | None:
    """What the whole will take; None where nothing was read. Rows of other files are taken to be as long."""
    if trial.read <= 0 or trial.seconds <= 0:
        return None
    known = max(trial.rows, trial.read)
    rows = trial.files if trial.scripted else round(known * trial.all_sizes / max(1, trial.size))
    rate = trial.read / trial.seconds * workers
    return JobEstimate(rows=rows, rows_per_second=round(rate, 1), seconds=round(rows / rate, 1))


def dry_run_message(trial: Trial, foretold: JobEstimate | None) -> str:
    what = "files" if trial.scripted else "rows"
    if foretold is None:
        return f"dry run: there was nothing to read in the first of {trial.files} files"
    span = f"{foretold.seconds:,.0f} s" if foretold.seconds < 600 else f"{foretold.seconds / 60:,.0f} min"
    return (
        f"dry run: {trial.read:,} {what} in {trial.seconds:.2f} s; about {foretold.rows:,} {what} in all, which would "
        f"take about {span} at {foretold.rows_per_second:,.0f} {what}/s"
    )


def counted(count: int, what: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _were(count: int, what: str) -> str:
    return f"{counted(count, what)} {'was' if count == 1 else 'were'}"


def overview(name: str, spec: Job, status: JobStatus, now: datetime, aside: Sequence[LedgerFile] = ()) -> str:
    """The text of `job_progress_overview.txt`. `aside` are files that were set aside, or that have failed."""
    done = status.progress
    results = (
        f"Items: {done.items_done} returned by run(), {done.rows_per_second:,.0f} files/s"
        if spec.scripted
        else f"Rows: {done.rows_done} of {done.rows_total or '?'} read, {done.rows_rejected} rejected, "
        f"{done.rows_per_second:,.0f} rows/s"
    )
    lines = [
        f"Job {name}: {status.state}, {now.isoformat(timespec='seconds')}",
        f"Files: {done.files_done} of {done.files_total or '?'} done, {done.files_failed} failed, "
        f"{done.files_skipped} set aside",
        f"Mini-batches: {done.mini_batches_done} of {done.mini_batches_total or '?'} done, "
        f"{done.mini_batches_failed} failed",
        results,
        *([status.message] if status.message else []),
        *(f"{file.name}: {file.reason}" for file in aside[:_MOST_TOLD]),
        *([f"and {len(aside) - _MOST_TOLD:,} more files"] if len(aside) > _MOST_TOLD else []),
    ]
    return "\n".join(lines) + "\n"

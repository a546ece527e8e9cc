"""Jobs: data that is scored once, by a snapshot of a batch deployment."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.resource import Frozen, Kind, Status

DRY_RUN_ROWS = 1000
SCORE = "score"  # Azure's name of a batch job's output
DEFAULT_INPUT = "UriFolder"  # what an input is called that was given without a name


class JobState(StrEnum):
    """Azure's states, those that occur here. The last three are for good, but for `resume` after Failed or Canceled."""

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    PREPARING = "Preparing"
    STARTING = "Starting"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def ended(self) -> bool:
        return self in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELED)


class JobInput(Frozen):
    """Data to score. `path` is a URI, `azureml://datastores/...`, `azureml:DATA:VERSION`, or a path of the platform's
    machine; globs are fine."""

    type: Literal["uri_folder", "uri_file", "mltable"] = "uri_folder"
    path: str = Field(min_length=1, max_length=4000)


class Job(Frozen):
    """A batch scoring job. `deployment` is what was deployed when it was invoked, with what the caller overrode.

    `canceled` asks it to end; `attempt` counts the resumptions.
    """

    type: Literal["batch"] = "batch"
    name: str | None = None
    display_name: str | None = None
    experiment_name: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    endpoint_name: str
    deployment_name: str
    deployment: BatchDeployment
    inputs: dict[str, JobInput] = Field(min_length=1, max_length=100)
    output_path: str | None = None  # a URI; None: a folder of the platform
    dry_run: bool = False  # only the first DRY_RUN_ROWS rows
    since: str | None = None  # an earlier job: only files that it has not scored as they are now
    canceled: bool = False
    attempt: int = 1
    archived: bool = False

    @property
    def scripted(self) -> bool:
        """True if run() of a script scores it: what comes out is counted in items then, not in rows of the input."""
        return self.deployment.code_configuration is not None


class JobProgress(Frozen):
    """How far a job is. Totals that are not known yet are None."""

    files_total: int | None = None
    files_done: int = 0  # scored; neither failed nor set aside
    files_failed: int = 0
    files_skipped: int = 0  # set aside, with the reason in the logs
    mini_batches_total: int | None = None
    mini_batches_done: int = 0
    mini_batches_failed: int = 0
    rows_total: int | None = None
    rows_done: int = 0  # read; of scripts: files that run() was given
    items_done: int = 0  # written: rows, or what run() returned
    rows_rejected: int = 0
    bytes_total: int | None = None  # of the input
    bytes_done: int = 0
    rows_per_second: float = 0.0
    seconds_left: float | None = None


class JobEstimate(Frozen):
    """What a dry run foretells of the whole: how many rows (of scripts: files), and how long they take."""

    rows: int
    rows_per_second: float  # of all workers
    seconds: float


class JobStatus(Status):
    """What the controller has found. `attempt` is the one of the spec that the state belongs to."""

    state: JobState = JobState.NOT_STARTED
    attempt: int = 0
    progress: JobProgress = JobProgress()
    workers: int = 0  # processes that score now
    message: str = ""  # what it waits for, or why it failed, in a sentence
    failure: str | None = None  # the user's own traceback
    estimate: JobEstimate | None = None  # of a dry run that is completed
    outputs: dict[str, str] = {}  # of a completed job: name -> URI of the folder
    started_at: datetime | None = None  # it left the queue
    scoring_since: datetime | None = None  # its first worker was ready, in this attempt
    rows_before: int = 0  # done then, by earlier attempts
    bytes_before: int = 0
    expired: bool = False  # what it could be resumed from was removed
    ended_at: datetime | None = None


def state_of(spec: Job, status: JobStatus) -> JobState:
    """The state that users see: what they have asked for counts before the controller has seen it."""
    seen = status.attempt >= spec.attempt
    if seen and status.state.ended:
        return status.state
    if spec.canceled:
        return JobState.CANCEL_REQUESTED
    return status.state if seen else JobState.NOT_STARTED


def begun(spec: Job, status: JobStatus) -> bool:
    """True while a job is under way: a controller has begun with it, and has not ended it."""
    return status.attempt >= spec.attempt and not status.state.ended


def ended(spec: Job, status: JobStatus) -> bool:
    """True if the job is over, and nobody has asked for it to be resumed."""
    return state_of(spec, status).ended


JOB: Kind[Job, JobStatus] = Kind("job", Job, JobStatus, revisions=20)

"""Jobs over HTTP: what they are, what they wrote, what they said."""

from typing import Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from penstock.api.downloads import FirstByte, streamed
from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, changed, items, shown
from penstock.batch.job_files import JobFile, LogText
from penstock.domain.fields import parse
from penstock.domain.job import JOB, Job

router = APIRouter(prefix="/jobs", tags=["jobs"])

_MOST_JOBS, _DEFAULT_JOBS = 10_000, 1000
_MOST_BYTES = 2**53


class JobFiles(BaseModel):
    files: list[JobFile]


@router.get("")
def list_jobs(
    platform: Platform,
    _: Actor,
    *,
    endpoint: str | None = None,
    archived_only: bool = False,
    include_archived: bool = False,
    limit: int = Query(default=_DEFAULT_JOBS, ge=1, le=_MOST_JOBS),
) -> Items:
    """Jobs, the newest first; archived ones if they are asked for."""
    archived = True if archived_only else None if include_archived else False
    return items(platform.jobs.list(endpoint=endpoint, archived=archived, limit=limit))


@router.get("/{name}")
def get_job(name: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.resources.get(JOB, name))


@router.put("/{name}")
def put_job(name: str, platform: Platform, actor: Actor, generation: Generation, body: JsonBody) -> Changed:
    """Change the tags, names and description of a job; 409 for anything else. Jobs are begun by invocations."""
    before = platform.resources.get(JOB, name)
    spec = parse(Job, body, f"job {name!r}")
    return changed(before, *platform.jobs.describe(name, spec, actor=actor, generation=generation))


@router.post("/{name}/cancel")
def cancel(name: str, platform: Platform, actor: Actor) -> Changed:
    """Ask the job to end; one that is over stays as it is."""
    job, change = platform.jobs.cancel(name, actor=actor)
    return Changed(resource=shown(job), change=change)


@router.post("/{name}/resume")
def resume(name: str, platform: Platform, actor: Actor) -> Changed:
    """Go on with a job that has failed or was canceled."""
    job, change = platform.jobs.resume(name, actor=actor)
    return Changed(resource=shown(job), change=change)


@router.post("/{name}/archive")
def archive(name: str, platform: Platform, actor: Actor) -> Changed:
    """Leave the job out of lists."""
    job, change = platform.jobs.archive(name, archived=True, actor=actor)
    return Changed(resource=shown(job), change=change)


@router.post("/{name}/restore")
def restore(name: str, platform: Platform, actor: Actor) -> Changed:
    """Have the job in lists again."""
    job, change = platform.jobs.archive(name, archived=False, actor=actor)
    return Changed(resource=shown(job), change=change)


@router.get("/{name}/logs")
def get_log(
    name: str,
    platform: Platform,
    _: Actor,
    *,
    path: str = "user/error.txt",
    after: int = Query(default=0, ge=0, le=_MOST_BYTES),
) -> LogText:
    """The lines of one of the job's logs from byte `after` on, and which logs there are."""
    return platform.job_files.log(name, path, after)


@router.get("/{name}/logs/{path:path}")
def download_log(name: str, path: str, platform: Platform, _: Actor, start: FirstByte) -> StreamingResponse:
    """A log, or with `Range: bytes=N-` its rest."""
    return streamed(platform.job_files.open_log(name, path), start, f"log {path}")


@router.get("/{name}/outputs")
def list_outputs(name: str, platform: Platform, _: Actor) -> JobFiles:
    """The files that the job wrote on this machine, as OUTPUT/PATH; 409 if they lie on other machines."""
    return JobFiles(files=list(platform.job_files.outputs(name)))


@router.get("/{name}/outputs/{path:file}")
def download_output(name: str, path: str, platform: Platform, _: Actor, start: FirstByte) -> StreamingResponse:
    """A file that the job wrote, or with `Range: bytes=N-` its rest."""
    return streamed(platform.job_files.open_output(name, path), start, f"output {path}")

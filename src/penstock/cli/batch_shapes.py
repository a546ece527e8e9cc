"""Batch endpoints, deployments, jobs and computes as `az ml` shapes them, and as people read them. Pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.cli.shapes import marks, spec_fields
from penstock.cli.show import table

if TYPE_CHECKING:
    from penstock.client.resources import (
        RemoteBatchDeployment,
        RemoteBatchEndpoint,
        RemoteCompute,
        RemoteJob,
    )

ENDPOINTS = table("name", "provisioning_state", "default_deployment", "scoring_uri")
DEPLOYMENTS = table("name", "endpoint_name", "provisioning_state", "compute", "reason")
COMPUTES = table("name", "type", "tier", "min_instances", "max_instances", "provisioning_state")
JOBS = table("name", "status", "endpoint_name", "deployment_name", "done", "rows", "counted_in", "created_at")


def batch_endpoint(resource: "RemoteBatchEndpoint") -> dict[str, Any]:
    return {
        "name": resource.name,
        **spec_fields(resource),
        "default_deployment": resource.spec.defaults.deployment_name,
        "provisioning_state": resource.provisioning_state,
        "scoring_uri": resource.scoring_uri,
        **marks(resource),
    }


def batch_deployment(resource: "RemoteBatchDeployment") -> dict[str, Any]:
    owner, _, name = resource.name.partition("/")
    ready = resource.status.condition("Ready")
    return {
        "name": name,
        **spec_fields(resource),
        "endpoint_name": owner,
        "provisioning_state": resource.provisioning_state,
        "reason": ready.reason if ready else None,
        "failure": resource.status.failure,
        **marks(resource),
    }


def compute(resource: "RemoteCompute") -> dict[str, Any]:
    return {
        "name": resource.name,
        **spec_fields(resource),
        "provisioning_state": resource.provisioning_state,
        **marks(resource),
    }


def job(resource: "RemoteJob") -> dict[str, Any]:
    """Azure's names for what it knows of jobs; beside them the snapshot of the deployment and the progress."""
    from penstock.domain.job import SCORE, state_of

    spec, status, deployment = resource.spec, resource.status, resource.spec.deployment
    planned = {} if spec.output_path is None else {SCORE: spec.output_path}
    outputs = {name: {"type": "uri_folder", "path": uri} for name, uri in (status.outputs or planned).items()}
    progress = status.progress.model_dump(mode="json")
    return {
        "name": resource.name,
        "display_name": spec.display_name or resource.name,
        "type": spec.type,
        "status": state_of(spec, status).value,
        "message": status.message or None,
        "endpoint_name": spec.endpoint_name,
        "deployment_name": spec.deployment_name,
        "experiment_name": spec.experiment_name,
        "description": spec.description,
        "inputs": {name: each.model_dump(mode="json") for name, each in spec.inputs.items()},
        "outputs": outputs,
        "progress": progress,
        "done": share_done(progress),
        "rows": progress["items_done"] if spec.scripted else progress["rows_done"],
        "counted_in": "items" if spec.scripted else "rows",
        "workers": status.workers,
        "failure": status.failure,
        "dry_run": spec.dry_run,
        "since": spec.since,
        "attempt": spec.attempt,
        "archived": spec.archived,
        "settings": deployment.settings.model_dump(mode="json"),
        "output": deployment.output.model_dump(mode="json") if deployment.output else None,
        "compute": deployment.compute,
        "tags": spec.tags,
        "properties": spec.properties,
        "started_at": status.started_at.isoformat() if status.started_at else None,
        "scoring_since": status.scoring_since.isoformat() if status.scoring_since else None,
        "ended_at": status.ended_at.isoformat() if status.ended_at else None,
        "creation_context": {
            "created_at": resource.created_at.isoformat(),
            "last_modified_at": resource.updated_at.isoformat(),
        },
        **marks(resource),
    }


def share_done(progress: Mapping[str, Any]) -> str | None:
    """In percent, by rows where their sum is known, else by bytes or mini-batches; None as long as nothing is."""
    for of in ("rows", "bytes", "mini_batches"):
        total = progress[f"{of}_total"]
        if total:
            return f"{min(100, 100 * progress[f'{of}_done'] // total)} %"
    return None


def progress_line(row: Mapping[str, Any]) -> str:
    """One line that says how far a job is: `Running  40 %  2,000,000 of 5,000,000 rows  250,000 rows/s  0:12 left`."""
    progress = row["progress"]
    running = row["status"] == "Running"
    scripted = row["counted_in"] == "items"
    rate = "files/s" if scripted else "rows/s"
    parts = (
        row["status"],
        row["done"],
        f"{_of(progress, 'rows')} rows" if not scripted and (progress["rows_done"] or progress["rows_total"]) else None,
        f"{_of(progress, 'files')} files" if progress["files_total"] is not None else None,
        f"{progress['items_done']:,} items" if scripted and progress["items_done"] else None,
        f"{progress['rows_rejected']:,} rejected" if progress["rows_rejected"] else None,
        f"{progress['files_failed']:,} failed" if progress["files_failed"] else None,
        f"{progress['files_skipped']:,} set aside" if progress["files_skipped"] else None,
        f"{progress['rows_per_second']:,.0f} {rate}" if running and progress["rows_per_second"] else None,
        f"{duration(progress['seconds_left'])} left" if running and progress["seconds_left"] is not None else None,
        f"{row['workers']} worker{'s' if row['workers'] > 1 else ''}" if row["workers"] else None,
        row["message"],
    )
    return "  ".join(part for part in parts if part)


def job_text(row: Mapping[str, Any]) -> str:
    """A job in a few lines."""
    progress = row["progress"]
    scripted = row["counted_in"] == "items"
    files = f"{_of(progress, 'files')}, {progress['files_failed']:,} failed, {progress['files_skipped']:,} set aside"
    batches = f"{_of(progress, 'mini_batches')}, {progress['mini_batches_failed']:,} failed"
    fields = {
        "job": f"{row['name']}{'  (dry run)' if row['dry_run'] else ''}",
        "deployment": f"{row['endpoint_name']}/{row['deployment_name']}",
        "status": f"{row['status']}{', attempt ' + str(row['attempt']) if row['attempt'] > 1 else ''}",
        "message": row["message"],
        "rows": None if scripted else f"{_of(progress, 'rows')}, {progress['rows_rejected']:,} rejected",
        "files": files,
        "items": f"{progress['items_done']:,}" if scripted else None,
        "mini-batches": batches,
        "rate": f"{progress['rows_per_second']:,.0f} {'files/s' if scripted else 'rows/s'}"
        if progress["rows_per_second"]
        else None,
        "time left": duration(progress["seconds_left"]) if progress["seconds_left"] is not None else None,
        "workers": row["workers"],
        **{f"input {name}": each["path"] for name, each in row["inputs"].items()},
        **{f"output {name}": each["path"] for name, each in row["outputs"].items()},
        "since": row["since"],
        "begun": row["started_at"],
        "ended": row["ended_at"],
    }
    width = max(len(name) for name in fields)
    lines = [f"{name.ljust(width)}  {value}" for name, value in fields.items() if value not in (None, "")]
    return "\n".join("".join(c if c.isprintable() else " " for c in line) for line in lines)


def jobs_text(data: Any) -> str:
    return JOBS([{**row, "created_at": row["creation_context"]["created_at"][:19]} for row in data])


def duration(seconds: float) -> str:
    """`0:12`, `3:07`, `2:03:04`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _of(progress: Mapping[str, Any], what: str) -> str:
    done, total = progress[f"{what}_done"], progress[f"{what}_total"]
    return f"{done:,}" if total is None or total < done else f"{done:,} of {total:,}"

"""`penstock job`: data that is being scored, or was."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import batch_shapes
from penstock.cli.command import Outcome, command, noun
from penstock.cli.connection import connect
from penstock.cli.edits import Edits, edited
from penstock.cli.errors import notice
from penstock.cli.flags import Name
from penstock.cli.following import followed
from penstock.cli.progress import Meter
from penstock.domain.errors import Code, PenstockError, invalid, not_found

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.jobs import Place, RemoteFile, Verb

NOUN = "job"
app = noun("Jobs: data that is being scored, or was.")

_DEFAULT_RESULTS = 50  # Azure's
_MOST_RESULTS = 10_000
_DONE = {"cancel": "is asked to end", "resume": "is resumed", "archive": "is archived", "restore": "is restored"}

_IncludeArchived = Annotated[bool, typer.Option("--include-archived", help="Archived jobs too.")]
_ArchivedOnly = Annotated[bool, typer.Option("--archived-only", help="Archived jobs only.")]
_AllResults = Annotated[bool, typer.Option("--all-results", help="All there are.")]
_MaxResults = Annotated[int, typer.Option("--max-results", "-r", min=1, max=_MOST_RESULTS, help="At most this many.")]
_Parent = Annotated[str | None, typer.Option("--parent-job-name", "-p", help="Children of this job.")]
_All = Annotated[bool, typer.Option("--all", help="The outputs and the logs.")]
_OutputName = Annotated[str | None, typer.Option("--output-name", help="Only this output, such as score.")]
_DownloadPath = Annotated[Path, typer.Option("--download-path", "-p", help="Folder that files are put into.")]


@command(app, "show", example="penstock job show -n nightly", text=batch_shapes.job_text, ignored=("--web/-e",))
def show(name: Name) -> Any:
    """Show a job, and how far it is."""
    with connect() as client:
        return batch_shapes.job(client.jobs.get(name))


@command(app, "list", example="penstock job list", text=batch_shapes.jobs_text)
def list_all(
    *,
    max_results: _MaxResults = _DEFAULT_RESULTS,
    all_results: _AllResults = False,
    include_archived: _IncludeArchived = False,
    archived_only: _ArchivedOnly = False,
    parent_job_name: _Parent = None,
) -> Any:
    """List jobs, the newest first."""
    with connect() as client:
        if parent_job_name is not None:
            client.jobs.get(parent_job_name)
            return []  # batch jobs have no children
        limit = _MOST_RESULTS if all_results else max_results
        found = client.jobs.list(archived_only=archived_only, include_archived=include_archived, limit=limit)
    return [batch_shapes.job(job) for job in found]


@command(app, "stream", example="penstock job stream -n nightly", text=batch_shapes.job_text)
def stream(name: Name) -> Any:
    """Follow a job until it is over: exit code 0 if it is completed, 1 if it failed or was canceled."""
    with connect() as client:
        return followed(client, client.jobs.get(name))


@command(app, "cancel", example="penstock job cancel -n nightly", text=batch_shapes.job_text)
def cancel(name: Name) -> Any:
    """Ask a job to end; what it has scored is kept, so that it can be resumed."""
    return _commanded(name, "cancel")


@command(app, "resume", example="penstock job resume -n nightly", text=batch_shapes.job_text)
def resume(name: Name) -> Any:
    """Go on with a job that has failed or was canceled; nothing that was scored is scored again."""
    return _commanded(name, "resume")


@command(app, "archive", example="penstock job archive -n nightly", text=batch_shapes.job_text)
def archive(name: Name) -> Any:
    """Leave a job out of lists."""
    return _commanded(name, "archive")


@command(app, "restore", example="penstock job restore -n nightly", text=batch_shapes.job_text)
def restore(name: Name) -> Any:
    """Have a job in lists again."""
    return _commanded(name, "restore")


@command(
    app,
    "update",
    example="penstock job update -n nightly --set tags.team=risk display_name=Nightly",
    text=batch_shapes.job_text,
    ignored=("--web/-e",),
)
def update(*, name: Name, edits: Edits) -> Any:
    """Change what is said of a job: display_name, experiment_name, description, tags."""
    from penstock.domain.fields import parse
    from penstock.domain.job import Job

    with connect() as client:
        present = client.jobs.get(name)
        fields = edited(present.spec.model_dump(mode="json"), edits)
        applied = client.jobs.describe(parse(Job, fields, f"job {name!r}"), if_match=present.generation)
        notice(f"job {name!r} {applied.change}")
        return batch_shapes.job(applied.resource)


@command(
    app,
    "download",
    example="penstock job download -n nightly --output-name score --download-path scores\n"
    "penstock job download -n nightly --all",
)
def download(
    *,
    name: Name,
    all_: _All = False,
    output_name: _OutputName = None,
    download_path: _DownloadPath = Path(),
) -> Any:
    """Fetch what a job wrote into named-outputs/, and with --all its logs into artifacts/; what is there stays."""
    if all_ and output_name is not None:
        raise invalid("give --all or --output-name, not both")
    rows: list[dict[str, Any]] = []
    with connect() as client:
        if all_:
            logs = client.jobs.files(name, "logs")
            rows += _fetched(client, name, "logs", logs, download_path / "artifacts" / "logs")
        rows += _outputs(client, name, output_name, download_path / "named-outputs", alone=not all_)
    return Outcome(rows)


def _outputs(
    client: "Client", name: str, output_name: str | None, folder: Path, *, alone: bool
) -> list[dict[str, Any]]:
    try:
        files = client.jobs.files(name, "outputs")
    except PenstockError as err:
        if err.code is not Code.CONFLICT or alone:
            raise
        notice(err.message)
        return []
    names = sorted({file.path.partition("/")[0] for file in files})
    if output_name is not None and output_name not in names:
        told = f"there are: {', '.join(names)}" if names else "it has written nothing (yet)"
        raise not_found(f"job {name!r} has no output {output_name!r}; {told}")
    if not files:
        notice(f"job {name!r} has written nothing (yet); `penstock job show -n {name}` tells how far it is")
    wanted = tuple(file for file in files if output_name in (None, file.path.partition("/")[0]))
    return _fetched(client, name, "outputs", wanted, folder)


def _fetched(
    client: "Client", name: str, place: "Place", files: "tuple[RemoteFile, ...]", folder: Path
) -> list[dict[str, Any]]:
    """A row for each file that is there now."""
    from penstock.client.job_downloads import fetch_below

    if not files:
        return []
    fetched = fetch_below(
        folder, files, lambda path: client.jobs.content(name, place, path), Meter("Download", f"{name} {place}")
    )
    notice(f"{fetched:,} of {len(files):,} files fetched into {folder}")
    return [{"path": str(folder / file.path), "size": file.size} for file in files]


def _commanded(name: str, verb: "Verb") -> Any:
    with connect() as client:
        applied = client.jobs.command(name, verb)
    row = batch_shapes.job(applied.resource)
    notice(f"job {name!r} {_DONE[verb] if applied.change != 'unchanged' else 'stays as it is: ' + row['status']}")
    return row

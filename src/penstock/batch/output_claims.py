"""Which job may write what: no two jobs that are under way have the same final files."""

import os
from collections.abc import Iterable

from penstock.batch.job_output import file_name, final_names
from penstock.domain.batch_deployment import BatchDeployment, OutputAction
from penstock.domain.errors import PenstockError, conflict, invalid
from penstock.domain.job import Job, JobInput, JobStatus
from penstock.domain.resource import Resource
from penstock.storage.base import Storage
from penstock.storage.patterns import Pattern, split
from penstock.storage.uris import below_datastore, joined, object_of


def check_unclaimed(storage: Storage, name: str, spec: Job, others: Iterable[Resource[Job, JobStatus]]) -> None:
    """Raises `conflict` that names the one of `others` which has a final file, or a folder of them, that job `name`
    would have, or one in the other. Two names for one place on another machine are not known for the same."""
    own = _claims(storage, spec)
    for other in others if own else ():
        if other.name == name:
            continue
        try:
            theirs = _claims(storage, other.spec)
        except PenstockError:  # its datastore is gone: it will not write anything
            continue
        if any(_is_within(one, another) or _is_within(another, one) for one in own for another in theirs):
            raise conflict(
                f"job {name!r}: job {other.name!r}, which is not over, writes to {other.spec.output_path} too: wait "
                "for it, or give another --output-path or --set output_file_name=NAME"
            )


def check_apart(storage: Storage, name: str, given: JobInput, output_path: str, deployment: BatchDeployment) -> None:
    """Raises `invalid` if what goes to `output_path` would be among the files of input `name`, for the next job."""
    path = _canonical(storage, given.path)
    folder, glob = (path, "") if os.path.exists(path) else split(path)
    output = _canonical(storage, output_path)
    if (given.type == "uri_file" and not glob) or not _is_within(output, folder):
        return
    written = joined(output, file_name(deployment)).removeprefix(folder).lstrip("/")
    if Pattern(glob, deep=given.type != "uri_file").takes(written):
        raise invalid(
            f"output_path {output_path} lies in input {name!r} ({given.path}), so that the next job would score what "
            "this one writes: give a folder outside, or one whose name begins with '_', which inputs pass over"
        )


def _claims(storage: Storage, spec: Job) -> tuple[str, ...]:
    """Files, or folders with all that is in them; none where the script sees to it, or where the folder is its own."""
    path, deployment = spec.output_path, spec.deployment
    if path is None or deployment.settings.output_action is OutputAction.SUMMARY_ONLY:
        return ()
    folder = _canonical(storage, path)
    if deployment.output is None or deployment.output.mode == "one_file":
        return tuple(joined(folder, each) for each in final_names(deployment))
    return (folder,)


def _canonical(storage: Storage, uri: str) -> str:
    """One text for one place, as far as that can be told without asking another machine."""
    local = storage.local_path(uri)
    if local is not None:
        return os.path.realpath(local)
    return str(below_datastore(uri) or object_of(uri) or uri).rstrip("/")


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")

"""Where the final files of a job go, and what may not be there already."""

import os

from penstock.domain.batch_deployment import BatchDeployment, OutputAction
from penstock.domain.errors import Code, PenstockError, conflict
from penstock.storage.base import Storage
from penstock.storage.uris import joined

AZURE = "azure"  # the form of predictions without `output`
DEFAULT_NAME = "predictions.csv"  # Azure's; its ending follows the format

_REJECTS = "rejects.jsonl"


def file_name(deployment: BatchDeployment) -> str:
    """What the one output file is called."""
    name = deployment.settings.output_file_name
    if name != DEFAULT_NAME or deployment.output is None:
        return name
    return f"{name.removesuffix('.csv')}.{deployment.output.format}"


def final_names(deployment: BatchDeployment) -> list[str]:
    """The files that a job writes into its output folder, if it makes one file of all."""
    return [file_name(deployment), *([] if deployment.code_configuration is not None else [_REJECTS])]


def check_free(storage: Storage, path: str, deployment: BatchDeployment, *, elsewhere: bool) -> None:
    """Raises `conflict` if the folder or URI `path` holds what the job would have to replace.

    Other machines are asked only if `elsewhere`; then it raises what `Storage.list` raises too.
    """
    local = storage.local_path(path)
    if local is None and not elsewhere:
        return
    output = deployment.output
    if deployment.settings.output_action is OutputAction.SUMMARY_ONLY:
        return  # the script writes what it wants
    if output is None or output.mode == "one_file":
        folder = path if local is None else str(local)
        taken = [name for name in final_names(deployment) if _is_there(storage, joined(folder, name))]
        remedy = "give another --output-path, another --set output_file_name=NAME, or remove it"
    else:
        # What its files are called depends on the input.
        taken = [] if local is not None and not os.path.lexists(local) else _listed(storage, path)[:3]
        remedy = f"with mode: {output.mode} it must be empty: give another --output-path"
    if taken:
        raise conflict(f"the output folder {path} holds {', '.join(taken)} already: {remedy}")


def _is_there(storage: Storage, path: str) -> bool:
    local = storage.local_path(path)
    if local is not None:
        return os.path.lexists(local)
    return bool(_listed(storage, path))


def _listed(storage: Storage, path: str) -> list[str]:
    try:
        return [file.name for file in storage.list(path, "uri_folder")]
    except PenstockError as err:
        if err.code is Code.NOT_FOUND:
            return []
        raise

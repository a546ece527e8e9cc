"""Where a job's data comes from and goes to, as far as that can be judged before it runs."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from penstock.control.resources import Resources
from penstock.domain.errors import PenstockError, invalid
from penstock.domain.job import JobInput
from penstock.preparation.data import find_data
from penstock.storage.base import Storage
from penstock.storage.patterns import split
from penstock.storage.uris import data_asset


def checked_inputs(resources: Resources, storage: Storage, inputs: Mapping[str, JobInput]) -> dict[str, JobInput]:
    """`inputs`: data assets with their versions, and what lies on this machine for what it is.

    Raises `invalid` or `not_found` for relative paths, for what is not here or not known, and for a folder that is said
    to be a file; other machines are not asked.
    """
    checked: dict[str, JobInput] = {}
    for name, given in inputs.items():
        try:
            checked[name] = _checked(storage, _pinned(resources, given))
        except PenstockError as err:
            raise PenstockError(err.code, f"input {name!r}: {err.message}", err.details) from err
    return checked


def check_output(storage: Storage, path: str | None) -> None:
    """Raises `invalid` for a relative path, and for a URI that nothing here writes to."""
    if path is None:
        return
    if data_asset(path) is not None:
        raise invalid(f"output_path {path[:200]!r} is a data asset, which never changes: give a folder or a URI")
    try:
        storage.local_path(path)
    except PenstockError as err:
        raise PenstockError(err.code, f"output_path: {err.message}", err.details) from err


def _pinned(resources: Resources, given: JobInput) -> JobInput:
    """A data asset by its version, of its own type."""
    reference = data_asset(given.path)
    if reference is None:
        return given
    found = find_data(resources, reference.name, reference.version)
    return given.model_copy(update={"path": f"azureml:{found.name}", "type": found.spec.type})


def _checked(storage: Storage, given: JobInput) -> JobInput:
    local = storage.local_path(given.path)
    if local is None or data_asset(given.path) is not None:
        return given
    there = local if os.path.exists(local) else Path(split(str(local))[0] or "/")
    if not os.path.exists(there):
        raise invalid(
            f"{there} does not exist on the platform's machine ({socket.gethostname()}): copy or mount the data there, "
            "or give a URI that the platform can read (s3://, abfs://, gs://, https://, azureml:DATA:VERSION)"
        )
    if os.path.isdir(local) and given.type == "uri_file":
        raise invalid(f"{local} is a folder: say uri_folder, or name a file in it")
    return given.model_copy(update={"type": "uri_file"}) if os.path.isfile(local) else given

"""Where a job's data comes from and goes to, as far as that can be judged before it runs."""

import itertools
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from penstock.domain.errors import invalid
from penstock.domain.job import JobInput

_GLOB = frozenset("*?[")


def checked_inputs(inputs: Mapping[str, JobInput]) -> dict[str, JobInput]:
    """`inputs`, those of this machine under their absolute paths and for what they are.

    Raises `invalid` for relative paths, for what is not there, and for a folder that is said to be a file.
    """
    return {name: _checked(name, each) for name, each in inputs.items()}


def checked_output(path: str | None) -> str | None:
    """`path` if it is absolute, or a URI; raises `invalid`."""
    if path is not None and _local(path) is not None and not path.startswith(("/", "file:")):
        raise invalid(f"output_path {path[:200]!r} is relative: give an absolute path of {_machine()}, or a URI")
    return path


def _checked(name: str, given: JobInput) -> JobInput:
    local = _local(given.path)
    if local is None:
        return given
    if not local.is_absolute():
        raise invalid(
            f"input {name!r}: {given.path[:200]!r} is a relative path: give an absolute one of {_machine()}, or a URI"
        )
    there = _before_globs(local)
    if not os.path.exists(there):
        raise invalid(
            f"input {name!r}: {there} does not exist on {_machine()}: copy or mount the data there, or give a URI "
            "that the platform can read (s3://, abfs://, gs://, https://, azureml:DATA:VERSION)"
        )
    if there == local and os.path.isdir(local) and given.type == "uri_file":
        raise invalid(f"input {name!r}: {local} is a folder: say uri_folder, or name a file in it")
    return given.model_copy(update={"type": "uri_file"}) if os.path.isfile(local) else given


def _before_globs(path: Path) -> Path:
    """`path` up to the first part that stands for several names."""
    if os.path.exists(path):
        return path
    parts = list(itertools.takewhile(lambda part: not _GLOB & set(part), path.parts))
    return Path(*parts)


def _local(path: str) -> Path | None:
    """The path on a machine that is meant; None for URIs and assets."""
    if path.startswith("file:"):
        return Path(unquote(urlsplit(path).path))
    if path.startswith("azureml:") or "://" in path or path.startswith("adl:"):
        return None
    return Path(path)


def _machine() -> str:
    return f"the platform's machine ({socket.gethostname()})"

"""What the flags of `batch-endpoint invoke` ask for: data, a place for the output, and settings for this job alone."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from penstock.cli.documents import read_bytes
from penstock.cli.edits import Sets, edited
from penstock.cli.sources import is_local
from penstock.cli.yaml_text import read_documents
from penstock.domain.errors import invalid

_DEFAULT_INPUT = "UriFolder"  # domain/job.py says so too, and costs the start of the command a tenth of a second
_TYPES = ("uri_folder", "uri_file")
_TOLD = frozenset({"display_name", "experiment_name", "description", "tags", "properties"})
_PARTS = frozenset({"path", "type", "mode"})


@dataclass(frozen=True)
class Data:
    """Flags that say what is scored, and where the output goes."""

    input: Annotated[
        str | None, typer.Option("--input", help="Folder, file, glob or URI of the data, or azureml:DATA:VERSION.")
    ] = None
    input_type: Annotated[str | None, typer.Option("--input-type", help="uri_folder or uri_file.")] = None
    inputs: Annotated[
        list[str] | None,
        typer.Option("--inputs", metavar="NAME=PATH", help="Several inputs: NAME=PATH, NAME.type=TYPE, or JSON."),
    ] = None
    file: Annotated[Path | None, typer.Option("--file", "-f", help="YAML file with inputs and outputs.")] = None
    output_path: Annotated[
        str | None, typer.Option("--output-path", help="Folder or URI for the output; else the platform keeps it.")
    ] = None
    outputs: Annotated[
        list[str] | None,
        typer.Option("--outputs", metavar="score=PATH", help="The same, as Azure has it: score=PATH, or JSON."),
    ] = None


@dataclass(frozen=True)
class Overrides:
    """Flags that say how this one job runs."""

    deployment_name: Annotated[
        str | None, typer.Option("--deployment-name", "-d", help="Another deployment than the default one.")
    ] = None
    job_name: Annotated[
        str | None, typer.Option("--job-name", help="Name of the job; the same command again finds it.")
    ] = None
    experiment_name: Annotated[str | None, typer.Option("--experiment-name", "-e", help="Noted with the job.")] = None
    mini_batch_size: Annotated[
        int | None, typer.Option("--mini-batch-size", "-m", help="Files that a script gets at once.")
    ] = None
    instance_count: Annotated[
        int | None, typer.Option("--instance-count", "-c", help="Instances, each of so many workers as deployed.")
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Score the first 1,000 rows only, and estimate the time for all.")
    ] = False
    since: Annotated[
        str | None, typer.Option("--since", metavar="JOB", help="Only files that JOB, or `last`, has not scored.")
    ] = None


def invocation_fields(data: Data, overrides: Overrides, sets: Sets) -> dict[str, Any]:
    """The fields of an invocation. Local paths are absolute then. Raises `invalid` for flags that contradict."""
    written = _of_file(data.file) if data.file is not None else {}
    fields: dict[str, Any] = {**written, **_inputs(data, written), **_output(data, written)}
    flags = {
        "deployment_name": overrides.deployment_name,
        "job_name": overrides.job_name,
        "experiment_name": overrides.experiment_name,
        "mini_batch_size": overrides.mini_batch_size,
        "instance_count": overrides.instance_count,
        "since": overrides.since,
    }
    fields |= {name: value for name, value in flags.items() if value is not None}
    fields |= {"dry_run": True} if overrides.dry_run else {}
    changes = edited({}, sets)
    told = {name: changes.pop(name) for name in _TOLD & changes.keys()}
    return {**fields, **told, "overrides": _by_path(changes)}


def _inputs(data: Data, written: Mapping[str, Any]) -> dict[str, Any]:
    given = [flag for flag, value in (("--input", data.input), ("--inputs", data.inputs)) if value]
    if len(given) > 1:
        raise invalid("give --input or --inputs, not both")
    if data.input_type is not None and data.input_type not in _TYPES:
        raise invalid(f"--input-type {data.input_type!r} is not known: give uri_folder or uri_file")
    if data.input is not None:
        return {"inputs": {_DEFAULT_INPUT: _placed({"path": data.input, "type": data.input_type or _TYPES[0]})}}
    if data.inputs:
        named = _named("--inputs", data.inputs)
        return {"inputs": {name: _placed(each) for name, each in named.items()}}
    if "inputs" not in written:
        raise invalid("give the data: --input PATH, --inputs NAME=PATH, or --file with inputs")
    return {}


def _output(data: Data, written: Mapping[str, Any]) -> dict[str, Any]:
    if data.output_path is not None and data.outputs:
        raise invalid("give --output-path or --outputs, not both")
    if data.output_path is not None:
        return {"output_path": _absolute(data.output_path)}
    if data.outputs:
        return _only_output(_named("--outputs", data.outputs), "--outputs")
    return {}


def _of_file(path: Path) -> dict[str, Any]:
    """What a YAML file says; its relative paths start where it lies."""
    documents = read_documents(read_bytes(path, "--file"), str(path))
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise invalid(f"--file: {path} does not hold one YAML mapping")
    fields = {n: v for n, v in cast(dict[str, Any], documents[0]).items() if n not in ("$schema", "type", "outputs")}
    outputs = cast(dict[str, Any], documents[0]).get("outputs")
    if isinstance(fields.get("inputs"), dict):
        inputs = cast(dict[str, Any], fields["inputs"])
        fields["inputs"] = {name: _placed(_part(each), path.parent) for name, each in inputs.items()}
    if isinstance(outputs, dict) and outputs:
        parts = {name: _part(each) for name, each in cast(dict[str, Any], outputs).items()}
        fields |= _only_output(parts, str(path), path.parent)
    return fields


def _named(flag: str, words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`NAME=PATH`, `NAME.path=PATH` and `NAME.type=TYPE` words, or JSON, as a mapping."""
    if words[0].lstrip().startswith("{"):
        try:
            read: object = json.loads(" ".join(words))
        except (ValueError, RecursionError):
            raise invalid(f"{flag} begins like JSON and is not") from None
        return {name: _part(value) for name, value in cast(dict[str, Any], read).items()}
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        name, dot, part = key.rpartition(".")
        if not dot or part not in _PARTS:
            name, part = key, "path"
        if not name or "." in name or not equals or not value:
            raise invalid(f"{flag} {word!r} is not understood: write NAME=PATH, NAME.path=PATH or NAME.type=TYPE")
        found.setdefault(name, {})[part] = value
    return found


def _part(value: Any) -> dict[str, Any]:
    return dict(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else {"path": value}


def _placed(fields: Mapping[str, Any], folder: Path | None = None) -> dict[str, Any]:
    """An input with an absolute path. `mode` says how Azure brings data to a node; here it is read where it is."""
    placed = {name: value for name, value in fields.items() if name != "mode"}
    path = placed.get("path")
    return {**placed, "path": _absolute(path, folder)} if isinstance(path, str) else placed


def _only_output(outputs: Mapping[str, Mapping[str, Any]], what: str, folder: Path | None = None) -> dict[str, Any]:
    if len(outputs) > 1:
        raise invalid(f"{what}: scoring has one output, not {len(outputs)}: {', '.join(sorted(outputs))[:200]}")
    for fields in outputs.values():
        path = fields.get("path")
        if not isinstance(path, str):
            continue  # it says how to write, not where
        if fields.get("type") != "uri_file":
            return {"output_path": _absolute(path, folder)}
        parent, _, name = _absolute(path, folder).rpartition("/")
        return {"output_path": parent, "output_file_name": name}
    return {}


def _absolute(path: str, folder: Path | None = None) -> str:
    """A path of this machine as an absolute one; URIs and assets as they are."""
    if not is_local(path):
        return path
    local = path.removeprefix("file://").removeprefix("file:")
    return os.path.abspath(os.path.join(folder or "", os.path.expanduser(local)))


def _by_path(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            found |= _by_path(cast(dict[str, Any], value), f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found

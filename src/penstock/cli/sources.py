"""What a document refers to on this machine: files that are read into it, and folders that travel as artifacts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from penstock.cli.documents import Document, DocumentKind, read_bytes
from penstock.cli.golden_files import read_golden
from penstock.cli.yaml_text import read_documents
from penstock.domain.errors import invalid

Way = tuple[str, ...]  # to a field: ("code_configuration", "code")

_YAML = (".yml", ".yaml")
_MAX_REQUIREMENTS = 10_000  # lines


def inlined(document: Document) -> Document:
    """The document with what small files say in the place of their names.

    `conda_file` becomes a mapping, `requirements` lines, `file:environment.yml` and `file:model.yml` what stands in
    them. Paths that stay are absolute. Raises `invalid` naming the field and the file for what cannot be read.
    """
    fields = dict(document.fields)
    match document.kind:
        case DocumentKind.ENVIRONMENT:
            return document.replaced(_environment(fields, document.folder, document.source))
        case DocumentKind.MODEL:
            return document.replaced(_model(fields, document.folder))
        case DocumentKind.DATA | DocumentKind.DATASTORE:
            return document.replaced(_absolute(fields, "path", document.folder))
        case DocumentKind.DEPLOYMENT | DocumentKind.BATCH_DEPLOYMENT:
            return document.replaced(_deployment(fields, document.folder, document.source))
        case DocumentKind.ROLLOUT:
            return document.replaced(_rollout(fields, document.folder))
        case _:
            return document


def local_paths(document: Document) -> dict[Way, Path]:
    """The folders and files of an inlined document that must travel; raises `invalid` for one that is not there."""
    ways: tuple[Way, ...] = ()
    if document.kind is DocumentKind.MODEL:
        ways = (("path",),)
    elif document.kind in (DocumentKind.DEPLOYMENT, DocumentKind.BATCH_DEPLOYMENT):
        ways = (("model", "path"), ("code_configuration", "code"), ("environment", "build", "path"))
    elif document.kind is DocumentKind.ENVIRONMENT:
        ways = (("build", "path"),)
    found: dict[Way, Path] = {}
    for way in ways:
        written = _at(document.fields, way)
        if isinstance(written, str) and is_local(written):
            found[way] = _existing(Path(written), f"{document.source}: field {'.'.join(way)!r}")
    return found


def with_references(document: Document, references: Mapping[Way, str]) -> Document:
    """The document with artifact references in the place of local paths."""
    fields = dict(document.fields)
    for way, reference in references.items():
        fields = _put(fields, way, reference)
    return document.replaced(fields)


def is_local(written: str) -> bool:
    """True for what is a path on this machine; references and URIs of other places are the platform's to judge."""
    if written.startswith("file:"):
        return True
    return not written.startswith(("azureml:", "artifact:", "runs:", "models:")) and "://" not in written


def _deployment(fields: dict[str, Any], folder: Path, source: str) -> dict[str, Any]:
    result = dict(fields)
    model, environment, code = (fields.get(name) for name in ("model", "environment", "code_configuration"))
    if isinstance(model, str) and is_local(model):
        model = _nested(model, folder, f"{source}: field 'model'") or {"path": model}
    if isinstance(model, dict):
        result["model"] = _model(cast(dict[str, Any], model), folder)
    if isinstance(environment, str) and is_local(environment):
        environment = _nested(environment, folder, f"{source}: field 'environment'") or environment
    if isinstance(environment, dict):
        result["environment"] = _environment(cast(dict[str, Any], environment), folder, f"{source}: environment")
    if isinstance(code, dict):
        result["code_configuration"] = _absolute(cast(dict[str, Any], code), "code", folder)
    return result


def _rollout(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    golden = fields.get("golden")
    if not isinstance(golden, str):
        return fields
    requests = read_golden(folder / golden)
    return {**fields, "golden": [request.model_dump(mode="json", exclude_defaults=True) for request in requests]}


def _model(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    return _absolute(fields, "path", folder)


def _environment(fields: dict[str, Any], folder: Path, source: str) -> dict[str, Any]:
    result = dict(fields)
    conda, requirements = fields.get("conda_file"), fields.get("requirements")
    if isinstance(conda, str):
        result["conda_file"] = _mapping(_path(conda, folder), f"{source}: field 'conda_file'")
    if isinstance(requirements, str):
        result["requirements"] = _lines(_path(requirements, folder), f"{source}: field 'requirements'")
    return _with_context(result, folder)


def _nested(written: str, folder: Path, what: str) -> dict[str, Any] | None:
    """What the YAML file `written` says, its own paths made absolute; None if no YAML file is meant."""
    path = _path(written, folder)
    if path.suffix.lower() not in _YAML or not (written.startswith("file:") or path.is_file()):
        return None
    fields = _mapping(path, what)
    for name in ("path", "conda_file", "requirements"):
        fields = _absolute(fields, name, path.parent)
    return _with_context(fields, path.parent)


def _with_context(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    """An environment's fields with the path of its build context made absolute."""
    build = fields.get("build")
    if not isinstance(build, dict):
        return fields
    return {**fields, "build": _absolute(cast(dict[str, Any], build), "path", folder)}


def _absolute(fields: dict[str, Any], name: str, folder: Path) -> dict[str, Any]:
    written = fields.get(name)
    if not isinstance(written, str) or not is_local(written):
        return fields
    return {**fields, name: str(_path(written, folder))}


def _path(written: str, folder: Path) -> Path:
    text = written.removeprefix("file:")
    return (folder / (text.removeprefix("//") if text.startswith("///") else text)).absolute()


def _existing(path: Path, what: str) -> Path:
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        there = False
    if not there:
        raise invalid(f"{what}: there is no file or folder {path}")
    return path


def _mapping(path: Path, what: str) -> dict[str, Any]:
    documents = read_documents(read_bytes(path, what), f"{what}: {path}")
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise invalid(f"{what}: {path} does not hold one YAML mapping")
    return cast(dict[str, Any], documents[0])


def _lines(path: Path, what: str) -> list[str]:
    try:
        text = read_bytes(path, what).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid(f"{what}: {path} is not UTF-8 text") from None
    lines = [line.partition(" #")[0].strip() for line in text.replace("\\\n", " ").splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    if len(kept) > _MAX_REQUIREMENTS:
        raise invalid(f"{what}: {path} has {len(kept)} lines: {_MAX_REQUIREMENTS} are the most")
    return kept


def _put(fields: dict[str, Any], way: Way, value: str) -> dict[str, Any]:
    first, *rest = way
    return {**fields, first: _put(fields[first], tuple(rest), value) if rest else value}


def _at(fields: Mapping[str, Any], way: Way) -> Any:
    here: Any = fields
    for part in way:
        here = cast(Mapping[str, Any], here).get(part) if isinstance(here, Mapping) else None
    return here

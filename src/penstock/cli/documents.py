"""YAML files as users write them: which kind each document is, what it says, and where its paths start."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from penstock.cli.yaml_text import MAX_BYTES, read_documents
from penstock.domain.errors import invalid

_SUFFIXES = (".yml", ".yaml")


class DocumentKind(StrEnum):
    ENVIRONMENT = "environment"
    MODEL = "model"
    ENDPOINT = "online-endpoint"
    DEPLOYMENT = "online-deployment"
    CONTRACT = "contract"
    ROLLOUT = "rollout"
    WEBHOOK = "webhook"
    AUTOSCALE = "autoscale"
    COMPUTE = "compute"
    BATCH_ENDPOINT = "batch-endpoint"
    BATCH_DEPLOYMENT = "batch-deployment"
    DATA = "data"
    DATASTORE = "datastore"


_SCHEMAS = {
    "managedonlineendpoint": DocumentKind.ENDPOINT,
    "kubernetesonlineendpoint": DocumentKind.ENDPOINT,
    "onlineendpoint": DocumentKind.ENDPOINT,
    "managedonlinedeployment": DocumentKind.DEPLOYMENT,
    "kubernetesonlinedeployment": DocumentKind.DEPLOYMENT,
    "onlinedeployment": DocumentKind.DEPLOYMENT,
    "batchendpoint": DocumentKind.BATCH_ENDPOINT,
    "batchdeployment": DocumentKind.BATCH_DEPLOYMENT,
    "modelbatchdeployment": DocumentKind.BATCH_DEPLOYMENT,
    "pipelinecomponentbatchdeployment": DocumentKind.BATCH_DEPLOYMENT,
    "amlcompute": DocumentKind.COMPUTE,
    "model": DocumentKind.MODEL,
    "environment": DocumentKind.ENVIRONMENT,
    "data": DocumentKind.DATA,
    "azureblob": DocumentKind.DATASTORE,
    "azuredatalakegen2": DocumentKind.DATASTORE,
    "azurefile": DocumentKind.DATASTORE,
}
# What Azure has no schema for, or is seldom given one, says what it is by its `type`.
_OWN_TYPES = {
    "contract": DocumentKind.CONTRACT,
    "rollout": DocumentKind.ROLLOUT,
    "webhook": DocumentKind.WEBHOOK,
    "autoscale": DocumentKind.AUTOSCALE,
    "microsoft.insights/autoscalesettings": DocumentKind.AUTOSCALE,
    "amlcompute": DocumentKind.COMPUTE,
    **dict.fromkeys(("uri_file", "uri_folder", "mltable"), DocumentKind.DATA),
    **dict.fromkeys(("azure_blob", "azure_data_lake_gen2", "azure_file", "s3", "gcs", "local"), DocumentKind.DATASTORE),
}
# Fields that only one kind has; the first kind with one of them is meant.
_MARKS = (
    (DocumentKind.AUTOSCALE, {"targetResourceUri"}),
    (DocumentKind.BATCH_DEPLOYMENT, {"settings", "mini_batch_size", "output_action", "output_file_name", "output"}),
    (DocumentKind.BATCH_ENDPOINT, {"defaults"}),
    (DocumentKind.DEPLOYMENT, {"endpoint_name", "code_configuration", "instance_count", "request_settings", "model"}),
    (DocumentKind.ENDPOINT, {"auth_mode", "traffic", "mirror_traffic", "public_network_access", "compute"}),
    (DocumentKind.ENVIRONMENT, {"conda_file", "image", "requirements", "build", "inference_config"}),
    (DocumentKind.MODEL, {"path", "flavors"}),
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """One YAML document. Relative paths in it start at `folder`."""

    kind: DocumentKind
    fields: Mapping[str, Any]
    source: str  # how messages name it: `blue.yml`, `all.yml (document 2)`
    folder: Path

    @staticmethod
    def empty(kind: DocumentKind, source: str = "command line") -> "Document":
        """What a command line without a file begins with; paths start where the user is."""
        return Document(kind=kind, fields={}, source=source, folder=Path())

    def with_fields(self, **fields: Any) -> "Document":
        """The same with other values; those that are None stay as they were."""
        given = {name: value for name, value in fields.items() if value is not None}
        return replace(self, fields={**self.fields, **given})

    def replaced(self, fields: Mapping[str, Any]) -> "Document":
        """The same with these fields instead."""
        return replace(self, fields=fields)

    def text(self, field: str) -> str | None:
        """A field that is text, if it is there and text."""
        value = self.fields.get(field)
        return value if isinstance(value, str) else None


def read_one(path: Path, kind: DocumentKind) -> Document:
    """The only document of a file that holds a `kind`; a `$schema` of another kind is refused."""
    documents = _read_fields(path)
    if len(documents) != 1:
        raise invalid(f"{path} holds {len(documents)} documents: this command takes one; `penstock apply` takes any")
    found = kind_of_schema(documents[0], str(path)) or _own_type(documents[0])
    if found is not None and found is not kind:
        raise invalid(f"{path} holds {_a(found)}, not {_a(kind)}: see `penstock {found} create --help`")
    return Document(kind=kind, fields=documents[0], source=str(path), folder=path.parent)


def read_all(paths: Iterable[Path]) -> list[Document]:
    """All documents of files, and of the YAML files in folders and below; each file once."""
    files = {file.resolve(): (file, path.is_dir()) for path in paths for file in _files(path)}
    documents: list[Document] = []
    for file, in_folder in files.values():
        found = _read_fields(file)
        for number, fields in enumerate(found, 1):
            if in_folder and _is_conda_file(fields):
                continue
            source = str(file) if len(found) == 1 else f"{file} (document {number})"
            kind = recognised(fields, source)
            documents.append(Document(kind=kind, fields=fields, source=source, folder=file.parent))
    if not documents:
        raise invalid(f"no YAML documents in {', '.join(map(str, paths))}")
    return documents


def recognised(fields: Mapping[str, Any], source: str) -> DocumentKind:
    """Which kind a document is, by its `$schema` or our own `type`, else by fields that only one kind has."""
    kind = kind_of_schema(fields, source) or _own_type(fields)
    if kind is not None:
        return kind
    for kind, marks in _MARKS:
        if marks & fields.keys():
            return kind
    raise invalid(
        f"{source}: it is not clear what this is; give `$schema`, e.g. "
        "https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json"
    )


def kind_of_schema(fields: Mapping[str, Any], source: str) -> DocumentKind | None:
    """The kind that `$schema` names, None without one; raises `invalid` for kinds that are not served."""
    schema = fields.get("$schema")
    if schema is None:
        return None
    name = str(schema).rsplit("/", 1)[-1].removesuffix(".json").removesuffix(".schema")
    kind = _SCHEMAS.get(name.lower())
    if kind is None:
        raise invalid(
            f"{source}: $schema {str(schema)[:200]!r} names nothing that is known here: "
            f"known are {', '.join(sorted(_SCHEMAS))}"
        )
    return kind


def read_bytes(path: Path, what: str, limit: int = MAX_BYTES) -> bytes:
    """The content of a small file; raises `invalid` naming `what` it was wanted for."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise invalid(f"{what}: there is no file {path.absolute()}") from None
    except (OSError, ValueError) as err:
        raise invalid(f"{what}: {path} cannot be read: {getattr(err, 'strerror', None) or err}") from None
    if len(content) > limit:
        raise invalid(f"{what}: {path} is larger than {limit} bytes")
    return content


def _own_type(fields: Mapping[str, Any]) -> DocumentKind | None:
    return _OWN_TYPES.get(str(fields.get("type")).lower())


def _read_fields(path: Path) -> list[Mapping[str, Any]]:
    documents = read_documents(read_bytes(path, "file"), str(path))
    for document in documents:
        if not isinstance(document, dict):
            raise invalid(f"{path}: expected fields (a YAML mapping), got {type(document).__name__}")
    return cast(list[Mapping[str, Any]], documents)


def _files(path: Path) -> Sequence[Path]:
    """`path` itself, or the YAML files below it, hidden ones left out."""
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts)]


def _is_conda_file(fields: Mapping[str, Any]) -> bool:
    """True for what conda and MLflow keep beside a deployment's files: `conda.yml`, `python_env.yaml`."""
    return "$schema" not in fields and "dependencies" in fields


def _a(kind: DocumentKind) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"

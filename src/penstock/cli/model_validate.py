"""`penstock model validate`: does it load, and does it predict?"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_all, read_bytes
from penstock.cli.errand import told
from penstock.cli.flags import OptionalFile, Version
from penstock.cli.progress import Progress
from penstock.cli.show import table
from penstock.cli.upload import uploaded
from penstock.domain.errors import invalid

app = noun("")

_MAX_SAMPLE_BYTES = 10 * 1024 * 1024
_CONDITIONS = table("name", "truth", "reason", "message")

_Environment = Annotated[
    str | None, typer.Option("--environment", help="azureml:NAME:VERSION, a curated name, or a YAML file.")
]
_SampleRequest = Annotated[
    Path | None, typer.Option("--sample-request", help="File with a request to try, instead of the input example.")
]


@dataclass(frozen=True)
class _Subject:
    """Flags that say what is tried: a registered version, a folder, or all that a file says."""

    name: Annotated[str | None, typer.Option("--name", "-n", help="A registered model.")] = None
    version: Version = None
    label: Annotated[str | None, typer.Option("--label", "-l", help="latest, or an alias.")] = None
    path: Annotated[str | None, typer.Option("--path", "-p", help="The model's folder.")] = None
    file: OptionalFile = None

    def document(self) -> Document:
        """What a deployment of it would say; raises `invalid` unless one thing is named."""
        if sum(value is not None for value in (self.name, self.path, self.file)) != 1:
            raise invalid("give one of --name, --path and --file: the model that is to be tried")
        if self.file is not None:
            return _deployment(self.file)
        empty = Document.empty(DocumentKind.DEPLOYMENT)
        if self.path is not None:
            return empty.with_fields(model={"path": os.path.abspath(self.path)})
        which = f":{self.version}" if self.version is not None else f"@{self.label or 'latest'}"
        return empty.with_fields(model=f"azureml:{self.name}{which}")


@command(
    app,
    "validate",
    example="penstock model validate -p model/\npenstock model validate -f blue-deployment.yml",
    text=lambda data: _CONDITIONS(data["conditions"]),
)
def validate(*, subject: _Subject, environment: _Environment = None, sample_request: _SampleRequest = None) -> Any:
    """Load a model on the platform and predict once, as a deployment does before it gets traffic; nothing is kept."""
    from penstock.domain.deployment import OnlineDeployment

    document = subject.document()
    if environment is not None:
        there = os.path.isfile(environment)
        document = document.with_fields(environment=os.path.abspath(environment) if there else environment)
    sample = None if sample_request is None else _text(sample_request)
    with connect() as client:
        spec = uploaded(client, OnlineDeployment, document)
        begun = client.validations.begin(spec, sample_request=sample)
        ended = client.validations.wait(begun, on_progress=Progress())
    return told(ended)


def _deployment(file: Path) -> Document:
    """The deployment that a file holds, or one of the model that it holds."""
    documents = read_all([file])
    kinds = [document.kind for document in documents]
    if kinds == [DocumentKind.DEPLOYMENT]:
        return documents[0]
    if kinds == [DocumentKind.MODEL]:
        return replace(documents[0], kind=DocumentKind.DEPLOYMENT, fields={"model": dict(documents[0].fields)})
    raise invalid(f"{file} holds neither one online-deployment nor one model")


def _text(path: Path) -> str:
    try:
        return read_bytes(path, "--sample-request", _MAX_SAMPLE_BYTES).decode()
    except UnicodeDecodeError:
        raise invalid(f"--sample-request: {path} is not UTF-8 text") from None

"""`penstock contract`: what the rows of requests to an endpoint must be."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import shapes
from penstock.cli.command import Outcome, command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import File, Name, NoWait, OptionalEndpointName, OptionalFile, OptionalName, Yes
from penstock.cli.outcomes import finished, gone
from penstock.cli.show import table
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.domain.contract import Contract

NOUN = "contract"
app = noun("Contracts: what the rows of requests must be.")

_DeploymentName = Annotated[
    str | None, typer.Option("--deployment-name", "-d", help="Only this deployment of the endpoint.")
]
_Data = Annotated[Path, typer.Option("--data", help="Rows as parquet, csv or jsonl.", show_default=False)]
_Target = Annotated[
    list[str] | None,
    typer.Option("--target", help="A column that requests do not have, such as the label; repeatable."),
]
_Output = Annotated[Path | None, typer.Option("--output-file", help="Where to write it; the terminal by default.")]
_Input = Annotated[
    str | None, typer.Option("--input", help="Key of the table in a scoring script's requests; input_data by default.")
]
_Force = Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")]


@dataclass(frozen=True)
class Names:
    """Flags that say what data does not tell."""

    name: OptionalName = None
    endpoint_name: OptionalEndpointName = None
    input: _Input = None


@command(app, "create", example="penstock contract create -f contract.yml", text=shapes.CONTRACTS)
def create(
    *,
    name: OptionalName = None,
    file: File,
    endpoint_name: OptionalEndpointName = None,
    deployment_name: _DeploymentName = None,
    sets: Sets,
    no_wait: NoWait = False,
) -> Any:
    """Put a contract in force, or make an existing one be as the file says; nothing is restarted."""
    document = _named(read_one(file, DocumentKind.CONTRACT), name, endpoint_name, deployment_name)
    spec = _parsed(edited(dict(document.fields), sets), document.source)
    with connect() as client:
        return shapes.contract(finished(client, "contract", client.contracts.create_or_update(spec), no_wait=no_wait))


@command(
    app,
    "update",
    example="penstock contract update -n wine-inputs --set mode=enforce",
    text=shapes.CONTRACTS,
)
def update(*, name: OptionalName = None, file: OptionalFile = None, edits: Edits, no_wait: NoWait = False) -> Any:
    """Change a contract; fields that are not named stay as they are."""
    document = read_one(file, DocumentKind.CONTRACT) if file else Document.empty(DocumentKind.CONTRACT)
    name = name or document.text("name")
    if name is None:
        raise invalid("give --name, or --file with a name")
    with connect() as client:
        present = client.contracts.get(name)
        fields = {**present.spec.model_dump(mode="json", exclude_none=True), **document.fields, "name": name}
        spec = _parsed(edited(fields, edits), f"contract {name!r}")
        applied = client.contracts.create_or_update(spec, if_match=present.generation)
        return shapes.contract(finished(client, "contract", applied, no_wait=no_wait))


@command(app, "show", example="penstock contract show -n wine-inputs", text=shapes.CONTRACTS)
def show(name: Name) -> Any:
    """Show a contract, and which deployments follow it."""
    with connect() as client:
        return shapes.contract(client.contracts.get(name))


@command(app, "list", example="penstock contract list -e wine", text=shapes.CONTRACTS)
def list_all(endpoint_name: OptionalEndpointName = None) -> Any:
    """List the contracts."""
    with connect() as client:
        found = client.contracts.list()
    return [shapes.contract(each) for each in found if endpoint_name in (None, each.spec.endpoint_name)]


@command(app, "delete", example="penstock contract delete -n wine-inputs --yes")
def delete(name: Name, yes: Yes = False, no_wait: NoWait = False) -> Any:
    """Take a contract from all deployments; nothing is restarted."""
    confirm(f"Delete contract {name!r}?", yes=yes)
    with connect() as client:
        going = client.contracts.delete(name)
        gone(client, f"contract {name!r}", going, no_wait=no_wait)


@command(
    app,
    "learn",
    example="penstock contract learn --data train.parquet --target quality -n wine-inputs -e wine "
    "--output-file contract.yml",
)
def learn(
    *,
    data: _Data,
    names: Names,
    target: _Target = None,
    output_file: _Output = None,
    force: _Force = False,
) -> Any:
    """Propose a contract from training data, to be read before use: types, ranges, categories, nulls, patterns."""
    from penstock.cli.data_files import read_rows
    from penstock.cli.learned_contract import learned, yaml_of

    rows = read_rows(data)
    columns = learned(rows, frozenset(target or ()))
    fields = {"name": names.name or data.stem, "endpoint_name": names.endpoint_name or "ENDPOINT", "input": names.input}
    text = yaml_of(columns, fields, f"{len(rows):,} rows of {data.name}")
    if output_file is None:
        typer.echo(text, nl=False)
        return None
    try:
        with output_file.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise invalid(f"{output_file} exists: give --force to replace it") from None
    except OSError as err:
        raise invalid(f"{output_file} cannot be written: {err.strerror}") from None
    notice(f"{output_file}: {len(columns)} columns learned from {len(rows):,} rows; read it, then penstock apply -f it")
    return None


@command(
    app,
    "check",
    example="penstock contract check -f contract.yml --data rows.csv",
    text=table("row", "column", "rule", "mode", "expected", "got"),
)
def check(file: File, data: _Data) -> Any:
    """Say which rows of a file would break the contract; exit code 1 if one would be refused."""
    from penstock.cli.checked_rows import broken_rules
    from penstock.cli.data_files import read_rows

    document = read_one(file, DocumentKind.CONTRACT)
    rows = read_rows(data)
    found = broken_rules(_parsed(dict(document.fields), document.source), rows)
    refused = len({row["row"] for row in found if row["mode"] == "enforce"})
    notice(f"{len(rows):,} rows: {refused:,} would be refused, {len(found):,} violations in all")
    return Outcome(found, 1 if refused else 0)


def _named(document: Document, name: str | None, endpoint_name: str | None, deployment_name: str | None) -> Document:
    return document.with_fields(name=name, endpoint_name=endpoint_name, deployment_name=deployment_name)


def _parsed(fields: dict[str, Any], source: str) -> "Contract":
    from penstock.domain.contract import Contract
    from penstock.domain.fields import parse

    return parse(Contract, fields, source)

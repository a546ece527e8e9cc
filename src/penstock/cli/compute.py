"""`penstock compute`: how much of the machine batch jobs may take."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import batch_shapes
from penstock.cli.command import command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.flags import Name, NoWait, OptionalFile, OptionalName, Yes, pairs
from penstock.cli.outcomes import finished, gone
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.domain.compute import Compute

NOUN = "compute"
app = noun("Computes: how much of the machine batch jobs may take.")

_MACHINE = (
    *("--admin-password=", "--admin-username=", "--enable-node-public-ip=", "--identity-type=", "--location="),
    *("--size=", "--ssh-key-value=", "--ssh-public-access-enabled=", "--subnet=", "--user-assigned-identities="),
    *("--user-object-id=", "--user-tenant-id=", "--vnet-name="),
)
_IDENTITY = ("--identity-type=", "--user-assigned-identities=")
_TypeFilter = Annotated[str | None, typer.Option("--type", help="Only of this type; AmlCompute is what there is.")]
_MaxResults = Annotated[int | None, typer.Option("--max-results", "-r", min=1, help="At most this many.")]


@dataclass(frozen=True)
class Size:
    """Flags that say how much it is; they win over the file."""

    min_instances: Annotated[
        int | None, typer.Option("--min-instances", min=0, help="Accepted; nothing is kept running without a job.")
    ] = None
    max_instances: Annotated[
        int | None, typer.Option("--max-instances", min=0, help="Instances of all jobs on it together.")
    ] = None
    idle_time_before_scale_down: Annotated[
        int | None, typer.Option("--idle-time-before-scale-down", min=0, help="Seconds.")
    ] = None
    tags: Annotated[list[str] | None, typer.Option("--tags", metavar="KEY=VALUE", help="Tags, as KEY=VALUE.")] = None

    def fields(self) -> dict[str, Any]:
        """The document's fields that were given."""
        return {
            "min_instances": self.min_instances,
            "max_instances": self.max_instances,
            "idle_time_before_scale_down": self.idle_time_before_scale_down,
            "tags": pairs("--tags", self.tags) if self.tags else None,
        }


@dataclass(frozen=True)
class Nature:
    """Flags that say what it is; they win over the file."""

    type_: Annotated[str | None, typer.Option("--type", "-t", help="AmlCompute is what there is.")] = None
    tier: Annotated[
        str | None, typer.Option("--tier", help="dedicated, or low_priority: its jobs give way to those of others.")
    ] = None
    description: Annotated[str | None, typer.Option("--description", "-d", help="What it is for, in a sentence.")] = (
        None
    )

    def fields(self) -> dict[str, Any]:
        """The document's fields that were given."""
        return {"type": self.type_, "tier": self.tier, "description": self.description}


@command(
    app,
    "create",
    example="penstock compute create -n cpu-cluster --type AmlCompute --min-instances 0 --max-instances 4\n"
    "penstock compute create -f compute.yml",
    text=batch_shapes.COMPUTES,
    ignored=_MACHINE,
)
def create(
    *,
    name: OptionalName = None,
    file: OptionalFile = None,
    nature: Nature,
    size: Size,
    sets: Sets,
    no_wait: NoWait = False,
) -> Any:
    """Create a compute, or make an existing one be as the file says; it takes nothing while no job runs."""
    document = read_one(file, DocumentKind.COMPUTE) if file else Document.empty(DocumentKind.COMPUTE)
    document = document.with_fields(name=name, **nature.fields(), **size.fields())
    if document.text("name") is None:
        raise invalid("give --name, or --file with a name")
    spec = _parsed(edited(dict(document.fields), sets), document.source)
    with connect() as client:
        applied = client.computes.create_or_update(spec)
        return batch_shapes.compute(finished(client, "compute", applied, no_wait=no_wait, quiet=True))


@command(
    app,
    "update",
    example="penstock compute update -n cpu-cluster --max-instances 8",
    text=batch_shapes.COMPUTES,
    ignored=_IDENTITY,
)
def update(*, name: Name, size: Size, edits: Edits, no_wait: NoWait = False) -> Any:
    """Change a compute; jobs that run are given more or fewer workers at once."""
    with connect() as client:
        present = client.computes.get(name)
        given = {field: value for field, value in size.fields().items() if value is not None}
        fields = edited({**present.spec.model_dump(mode="json"), **given}, edits)
        applied = client.computes.create_or_update(_parsed(fields, f"compute {name!r}"), if_match=present.generation)
        return batch_shapes.compute(finished(client, "compute", applied, no_wait=no_wait, quiet=True))


@command(app, "show", example="penstock compute show -n cpu-cluster", text=batch_shapes.COMPUTES)
def show(name: Name) -> Any:
    """Show a compute."""
    with connect() as client:
        return batch_shapes.compute(client.computes.get(name))


@command(app, "list", example="penstock compute list", text=batch_shapes.COMPUTES)
def list_all(type_: _TypeFilter = None, max_results: _MaxResults = None) -> Any:
    """List the computes."""
    with connect() as client:
        found = client.computes.list()
    picked = [each for each in found if type_ is None or each.spec.type == type_.lower()]
    return [batch_shapes.compute(each) for each in picked[:max_results]]


@command(app, "delete", example="penstock compute delete -n cpu-cluster --yes")
def delete(name: Name, yes: Yes = False, no_wait: NoWait = False) -> Any:
    """Delete a compute that no deployment and no unfinished job uses."""
    confirm(f"Delete compute {name!r}?", yes=yes)
    with connect() as client:
        going = client.computes.delete(name)
        gone(client, f"compute {name!r}", going, no_wait=no_wait)


def _parsed(fields: dict[str, Any], source: str) -> "Compute":
    from penstock.domain.compute import Compute
    from penstock.domain.fields import parse

    return parse(Compute, fields, source)

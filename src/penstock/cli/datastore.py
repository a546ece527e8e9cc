"""`penstock datastore`: named places for data, and the credentials that open them."""

from typing import TYPE_CHECKING, Any

from penstock.cli import shapes
from penstock.cli.command import command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import File, Name, OptionalFile, OptionalName, Yes
from penstock.cli.outcomes import gone
from penstock.cli.progress import Progress
from penstock.cli.upload import uploaded
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.client.client import Client

NOUN = "datastore"
app = noun("Datastores: named places for data, and the credentials that open them.")

_MADE = ("credential_type",)  # fields that the platform sets


@command(app, "create", example="penstock datastore create -f lake.yml", text=shapes.DATASTORES)
def create(*, file: File, name: OptionalName = None, sets: Sets) -> Any:
    """Make a place known, or change it. Credentials stay on the platform's machine and are never shown again."""
    document = _edited(read_one(file, DocumentKind.DATASTORE).with_fields(name=name), sets)
    if document.text("name") is None:
        raise invalid(f"{document.source}: the datastore has no name: give `name` in the file, or --name")
    with connect() as client:
        return _applied(client, document, None)


@command(app, "show", example="penstock datastore show -n lake", text=shapes.DATASTORES)
def show(name: Name) -> Any:
    """Show a datastore, and which credentials it has; not the credentials."""
    with connect() as client:
        return shapes.datastore(client.datastores.get(name))


@command(app, "list", example="penstock datastore list", text=shapes.DATASTORES)
def list_all() -> Any:
    """List the datastores."""
    with connect() as client:
        return [shapes.datastore(each) for each in client.datastores.list()]


@command(
    app,
    "update",
    example="penstock datastore update -n lake --set tags.owner=ann\npenstock datastore update -f lake.yml",
    text=shapes.DATASTORES,
)
def update(*, name: OptionalName = None, file: OptionalFile = None, edits: Edits) -> Any:
    """Change a datastore; without credentials in the file, those that it has stay."""
    document = read_one(file, DocumentKind.DATASTORE) if file else Document.empty(DocumentKind.DATASTORE)
    meant = name or document.text("name")
    if meant is None:
        raise invalid("give --name, or --file with a name")
    with connect() as client:
        present = client.datastores.get(meant)
        fields = {n: v for n, v in present.spec.model_dump(mode="json", exclude_none=True).items() if n not in _MADE}
        whole = document.replaced({**fields, **document.fields, "name": meant})
        return _applied(client, _edited(whole, edits), present.generation)


@command(app, "delete", example="penstock datastore delete -n lake --yes")
def delete(name: Name, yes: Yes = False) -> Any:
    """Forget a place and its credentials; the data stays."""
    confirm(f"Delete datastore {name!r}? The data stays.", yes=yes)
    with connect() as client:
        going = client.datastores.delete(name)
        gone(client, f"datastore {name!r}", going)


def _edited(document: Document, edits: Edits | Sets) -> Document:
    """Raises `invalid` for credentials on a command line, where others could see them."""
    flags = [*(edits.sets or ()), *((edits.adds or ()) if isinstance(edits, Edits) else ())]
    if any(flag.startswith("credentials") for flag in flags):
        raise invalid("credentials on a command line can be seen by others: put them into the file")
    return document.replaced(edited(dict(document.fields), edits))


def _applied(client: "Client", document: Document, generation: int | None) -> Any:
    from penstock.domain.datastore import Datastore

    spec: Datastore = uploaded(client, Datastore, document)
    applied = client.datastores.create_or_update(spec, if_match=generation)
    notice(f"datastore {applied.resource.name!r} {applied.change}")
    resource = client.wait("datastore", applied.resource.name, applied.resource.generation, on_progress=Progress())
    return shapes.datastore(resource)

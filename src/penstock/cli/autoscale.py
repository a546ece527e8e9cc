"""`penstock autoscale`: how many instances a deployment has, and when. Flags as in `az monitor autoscale`."""

from dataclasses import dataclass
from typing import Annotated, Any, cast

import typer

from penstock.cli import autoscale_profile, autoscale_rule, autoscale_simulate, shapes
from penstock.cli.autoscale_changes import Fields, changed, own_fields, parsed
from penstock.cli.command import command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.flags import NoWait, OptionalEndpointName, OptionalFile, Yes, pairs
from penstock.cli.outcomes import finished, gone
from penstock.domain.errors import invalid

NOUN = "autoscale"
app = noun("Autoscales: how many instances a deployment has, and when.")
app.add_typer(autoscale_rule.app, name="rule", help="Rules: what makes it more or fewer.")
app.add_typer(autoscale_profile.app, name="profile", help="Profiles: other limits and rules for a while.")
app.add_typer(autoscale_simulate.app)

_Resource = Annotated[
    str | None, typer.Option("--resource", help="ENDPOINT/DEPLOYMENT, or its Azure resource id; wins over the file's.")
]
_SettingName = Annotated[str | None, typer.Option("--name", "-n", help="Name of the setting, to find it by.")]
_Name = Annotated[
    str, typer.Option("--name", "-n", help="ENDPOINT/DEPLOYMENT, or the name of the setting.", show_default=False)
]
_Tags = Annotated[list[str] | None, typer.Option("--tags", metavar="KEY=VALUE", help="Tags, as KEY=VALUE.")]
_ELSEWHERE = ("--action/-a=", "--add-action=", "--remove-action/-r=", "--email-administrator=", "--location/-l=")
_TYPED = ("--resource-type=", "--resource-namespace=", "--resource-parent=", "--email-coadministrators=")


@dataclass(frozen=True)
class Limits:
    """How few, how many, and how many while metrics cannot be read."""

    count: Annotated[int | None, typer.Option("--count", help="The default, and the limits that are not given.")] = None
    min_count: Annotated[int | None, typer.Option("--min-count", help="The least instances; 0 to sleep.")] = None
    max_count: Annotated[int | None, typer.Option("--max-count", help="The most instances.")] = None

    def fields(self) -> Fields:
        given = {"min": self.min_count, "max": self.max_count, "default": self.count}
        return {name: value for name, value in given.items() if value is not None}


@command(
    app,
    "create",
    example="penstock autoscale create --resource fraud/blue --min-count 1 --max-count 5 --count 2\n"
    "penstock autoscale create -f autoscale.yml",
    text=shapes.AUTOSCALES,
    ignored=(*_ELSEWHERE, *_TYPED),
)
def create(  # noqa: PLR0913 - az's flags
    *,
    resource: _Resource = None,
    file: OptionalFile = None,
    name: _SettingName = None,
    limits: Limits,
    disabled: Annotated[bool, typer.Option("--disabled", help="Keep it, but let it do nothing yet.")] = False,
    tags: _Tags = None,
    sets: Sets,
    no_wait: NoWait = False,
) -> Any:
    """Scale a deployment, or make an existing autoscale be as the file and flags say."""
    document = read_one(file, DocumentKind.AUTOSCALE) if file else Document.empty(DocumentKind.AUTOSCALE)
    fields = own_fields(dict(document.fields), document.source)
    if limits.count is not None and file is None:
        fields |= {"min": limits.count, "max": limits.count}
    fields |= limits.fields() | ({"name": name} if name else {}) | ({"enabled": False} if disabled else {})
    fields |= {"tags": pairs("--tags", tags)} if tags else {}
    fields |= _target(resource) if resource else {}
    if "max" not in fields:
        raise invalid("give --file, or --count or --max-count: how many instances there may be")
    spec = parsed(edited(fields, sets), document.source)
    with connect() as client:
        applied = client.autoscales.create_or_update(spec)
        return shapes.autoscale(finished(client, "autoscale", applied, no_wait=no_wait))


@command(
    app,
    "update",
    example="penstock autoscale update -n fraud/blue --max-count 8\n"
    "penstock autoscale update -n fraud/blue --set idle_time=10m",
    text=shapes.AUTOSCALES,
    ignored=_ELSEWHERE,
)
def update(
    *,
    name: _Name,
    limits: Limits,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it acts.")] = None,
    edits: Edits,
    no_wait: NoWait = False,
) -> Any:
    """Change an autoscale; fields that are not named stay as they are."""

    def change(fields: Fields) -> Fields:
        fields = _limited(fields, limits) | ({"enabled": enabled} if enabled is not None else {})
        return edited(fields, edits)

    with connect() as client:
        return shapes.autoscale(changed(client, name, change, no_wait=no_wait))


@command(app, "show", example="penstock autoscale show -n fraud/blue", text=shapes.AUTOSCALES)
def show(name: _Name) -> Any:
    """Show an autoscale: what it says, what it decided last, and why."""
    with connect() as client:
        return shapes.autoscale(client.autoscales.find(name))


@command(app, "list", example="penstock autoscale list -e fraud", text=shapes.AUTOSCALES)
def list_all(endpoint_name: OptionalEndpointName = None) -> Any:
    """List the autoscales."""
    with connect() as client:
        found = client.autoscales.list()
    return [shapes.autoscale(each) for each in found if endpoint_name in (None, each.spec.endpoint_name)]


@command(app, "delete", example="penstock autoscale delete -n fraud/blue --yes")
def delete(name: _Name, yes: Yes = False, no_wait: NoWait = False) -> Any:
    """Scale a deployment no longer: it has its instance_count again."""
    confirm(f"Delete autoscale {name!r}?", yes=yes)
    with connect() as client:
        endpoint, _, deployment = (name if "/" in name else client.autoscales.find(name).name).partition("/")
        going = client.autoscales.delete(endpoint, deployment)
        gone(client, f"autoscale {name!r}", going, no_wait=no_wait)


def _target(resource: str) -> Fields:
    from penstock.domain.autoscale_azure import target

    try:
        endpoint, deployment = target(resource)
    except ValueError as err:
        raise invalid(f"--resource: {err}") from None
    return {"endpoint_name": endpoint, "deployment_name": deployment}


def _limited(fields: Fields, limits: Limits) -> Fields:
    """The fields with other limits, also in the profiles that end others with the default's.

    As with az, --count alone moves all three where they are the same.
    """
    from penstock.domain.autoscale_azure import is_paired_end

    given = limits.fields()
    if given.keys() == {"default"} and fields["min"] == fields["max"]:
        given |= {"min": limits.count, "max": limits.count}
    profiles = cast(list[Fields], fields.get("profiles", []))
    ended = [profile | given if is_paired_end(profile["name"]) else profile for profile in profiles]
    return {**fields, **given, "profiles": ended}

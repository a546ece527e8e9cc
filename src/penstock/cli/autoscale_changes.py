"""Changes of an autoscale: read, edited as plain fields, written if nobody wrote meanwhile."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from penstock.cli.outcomes import finished
from penstock.domain.errors import invalid, not_found

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.resources import RemoteAutoscale
    from penstock.domain.autoscale import Autoscale

Fields = dict[str, Any]

AutoscaleName = Annotated[
    str,
    typer.Option("--autoscale-name", help="ENDPOINT/DEPLOYMENT, or the name of the setting.", show_default=False),
]
ProfileName = Annotated[str, typer.Option("--profile-name", help="The profile that it belongs to.")]

DEFAULT = "default"


def parsed(fields: Fields, source: str) -> "Autoscale":
    """Raises `invalid` with what is wrong."""
    from penstock.domain.autoscale import Autoscale
    from penstock.domain.fields import parse

    return parse(Autoscale, fields, source)


def own_fields(fields: Fields, source: str) -> Fields:
    """The fields of a file in our words, also where they are Azure's; raises `invalid`."""
    from penstock.domain.autoscale_azure import fields_of, is_azure

    try:
        return fields_of(fields) if is_azure(fields) else fields
    except ValueError as err:
        raise invalid(f"{source}: {err}") from None


def changed(client: "Client", name: str, change: Callable[[Fields], Fields], *, no_wait: bool) -> "RemoteAutoscale":
    """The autoscale with its fields changed. One that came from scale_settings becomes its user's own."""
    present = client.autoscales.find(name)
    fields: Fields = present.spec.model_dump(mode="json", exclude_none=True, exclude={"source"})
    spec = parsed(change(fields), f"autoscale {present.name!r}")
    applied = client.autoscales.create_or_update(spec, if_match=present.generation)
    return finished(client, "autoscale", applied, no_wait=no_wait)


def profile_of(fields: Fields, name: str) -> Fields:
    """The fields of a profile, the default one's are the file's own; raises `not_found`."""
    if name.lower() == DEFAULT:
        return fields
    profiles = cast(list[Fields], fields.get("profiles", []))
    found = next((profile for profile in profiles if profile["name"].lower() == name.lower()), None)
    if found is None:
        names = ", ".join([DEFAULT, *(profile["name"] for profile in profiles)])
        raise not_found(f"profile {name!r} does not exist: there are {names}")
    return found

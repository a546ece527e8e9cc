"""`penstock autoscale profile`: other limits and rules for a while, in the words of `az monitor autoscale profile`."""

from dataclasses import dataclass
from typing import Annotated, Any, cast

import typer

from penstock.cli.autoscale_changes import DEFAULT, AutoscaleName, Fields, changed, profile_of
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.edits import SEPARATOR
from penstock.cli.errors import notice
from penstock.cli.flags import Name, NoWait
from penstock.cli.show import table
from penstock.domain.errors import conflict, invalid

app = noun("Profiles: other limits and rules for a while.")

_PROFILES = table("name", "min", "max", "default", "rules", "when")
_Count = Annotated[int, typer.Option("--count", help="The default, and the limits that are not given.")]
_MinCount = Annotated[int | None, typer.Option("--min-count", help="The least instances.")]
_MaxCount = Annotated[int | None, typer.Option("--max-count", help="The most instances.")]
_CopyRules = Annotated[str | None, typer.Option("--copy-rules", help="A profile whose rules it begins with.")]


@dataclass(frozen=True)
class When:
    """Flags that say when a profile is in force."""

    start: Annotated[
        str | None, typer.Option("--start", help="Date and time; with --recurrence the time of day it begins.")
    ] = None
    end: Annotated[
        str | None, typer.Option("--end", help="Date and time; with --recurrence the time of day it ends.")
    ] = None
    recurrence: Annotated[
        str | None, typer.Option("--recurrence", help="week sat sun: on which days of each week.")
    ] = None
    timezone: Annotated[str, typer.Option("--timezone", help="Europe/Berlin, or as Windows calls it.")] = "UTC"

    def fields(self) -> Fields:
        """Raises `invalid` where the flags do not fit together."""
        if self.recurrence is None:
            if not self.start or not self.end:
                raise invalid("give --recurrence week DAYS, or --start and --end as dates with times")
            return {"fixed": {"start": self.start, "end": self.end, "timezone": self.timezone}}
        frequency, *days = self.recurrence.replace(SEPARATOR, " ").split() or [""]
        if frequency.lower() != "week" or not days:
            raise invalid(f"--recurrence {frequency!r} is not understood: write --recurrence week sat sun")
        start, end = self.start or "00:00", self.end or "24:00"
        return {"recurrence": {"days": days, "start": start, "end": end, "timezone": self.timezone}}


@command(
    app,
    "create",
    example="penstock autoscale profile create --autoscale-name fraud/blue -n weekend --count 1 "
    "--recurrence week sat sun --timezone Europe/Berlin --copy-rules default",
    text=_PROFILES,
)
def create(  # noqa: PLR0913 - az's flags
    *,
    autoscale_name: AutoscaleName,
    name: Name,
    count: _Count,
    min_count: _MinCount = None,
    max_count: _MaxCount = None,
    when: When,
    copy_rules: _CopyRules = None,
    no_wait: NoWait = False,
) -> Any:
    """Add a profile: on fixed dates, or on days of each week."""
    profile: Fields = {
        "name": name,
        "min": count if min_count is None else min_count,
        "max": count if max_count is None else max_count,
        "default": count,
        **when.fields(),
    }

    def change(fields: Fields) -> Fields:
        if name.lower() in {DEFAULT, *(each["name"].lower() for each in fields["profiles"])}:
            raise conflict(f"profile {name!r} exists already: delete it first, or give another name")
        rules: list[Fields] = profile_of(fields, copy_rules)["rules"] if copy_rules else []
        return {**fields, "profiles": [*fields["profiles"], {**profile, "rules": rules}]}

    with connect() as client:
        after = changed(client, autoscale_name, change, no_wait=no_wait)
    return _rows(after.spec.model_dump(mode="json", exclude_none=True))[-1]


@command(app, "list", example="penstock autoscale profile list --autoscale-name fraud/blue", text=_PROFILES)
def list_all(autoscale_name: AutoscaleName) -> Any:
    """List the profiles of an autoscale, the default one first."""
    with connect() as client:
        return _rows(client.autoscales.find(autoscale_name).spec.model_dump(mode="json", exclude_none=True))


@command(app, "delete", example="penstock autoscale profile delete --autoscale-name fraud/blue -n weekend")
def delete(autoscale_name: AutoscaleName, name: Name, no_wait: NoWait = False) -> Any:
    """Take a profile away, and with it the one that az made to end it."""
    from penstock.domain.autoscale_azure import is_paired_end

    def change(fields: Fields) -> Fields:
        if name.lower() == DEFAULT:
            raise invalid("the default profile cannot be deleted: change it with `penstock autoscale update`")
        gone = profile_of(fields, name)["name"]
        left = [p for p in cast(list[Fields], fields["profiles"]) if gone not in (p["name"], is_paired_end(p["name"]))]
        return {**fields, "profiles": left}

    with connect() as client:
        changed(client, autoscale_name, change, no_wait=no_wait)
    notice(f"profile {name!r} is deleted")


def _rows(fields: Fields) -> list[Fields]:
    default = {name: fields.get(name) for name in ("min", "max", "default", "rules")}
    profiles = [{"name": DEFAULT, **default}, *cast(list[Fields], fields["profiles"])]
    return [{**profile, "when": _when(profile)} for profile in profiles]


def _when(profile: Fields) -> str:
    if "fixed" in profile:
        fixed = profile["fixed"]
        return f"{fixed['start']} to {fixed['end']} {fixed['timezone']}"
    if "recurrence" in profile:
        week = profile["recurrence"]
        until = f" to {week['end']}" if "end" in week else ""
        return f"{' '.join(week['days'])} {week['start']}{until} {week['timezone']}"
    return "always"

"""`penstock autoscale rule`: what makes it more or fewer instances, in the words of `az monitor autoscale rule`."""

from typing import Annotated, Any, cast

import typer

from penstock.cli.autoscale_changes import DEFAULT, AutoscaleName, Fields, ProfileName, changed, profile_of
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.edits import SEPARATOR
from penstock.cli.errors import notice
from penstock.cli.flags import NoWait
from penstock.cli.show import table
from penstock.domain.errors import invalid

app = noun("Rules: what makes it more or fewer.")

_RULES = table("index", "condition", "scale", "cooldown", "timegrain")
_Condition = Annotated[
    str,
    typer.Option(
        "--condition", help='Such as "CpuUtilizationPercentage > 70 avg 5m".', metavar="CONDITION", show_default=False
    ),
]
_Scale = Annotated[str, typer.Option("--scale", help="out 2, in 1, out 50%, to 3.", show_default=False)]
_Cooldown = Annotated[str, typer.Option("--cooldown", help="Minutes in which nothing else changes; or 90s, 1h.")]
_Timegrain = Annotated[str, typer.Option("--timegrain", help="How values become one for each time: avg 1m.")]
_Resource = Annotated[
    str | None, typer.Option("--resource", help="Where the metric is from: the deployment or its endpoint.")
]
_Index = Annotated[list[str], typer.Option("--index", help="Numbers of rules, or '*' for all.", show_default=False)]


@command(
    app,
    "create",
    example="penstock autoscale rule create --autoscale-name fraud/blue --scale out 2 --cooldown 5 "
    '--condition "CpuUtilizationPercentage > 70 avg 5m"',
    text=_RULES,
)
def create(  # noqa: PLR0913 - az's flags
    *,
    autoscale_name: AutoscaleName,
    condition: _Condition,
    scale: _Scale,
    cooldown: _Cooldown = "5",
    timegrain: _Timegrain = "avg 1m",
    resource: _Resource = None,
    profile_name: ProfileName = DEFAULT,
    no_wait: NoWait = False,
) -> Any:
    """Add a rule to a profile."""
    rule: Fields = {
        "condition": _words(condition),
        "scale": _words(scale),
        "cooldown": f"{cooldown}m" if cooldown.isdecimal() else cooldown,
        "timegrain": _words(timegrain),
    }

    def change(fields: Fields) -> Fields:
        _check_source(resource, str(fields["endpoint_name"]))
        profile = profile_of(fields, profile_name)
        profile["rules"] = [*profile.get("rules", []), rule]
        return fields

    with connect() as client:
        after = changed(client, autoscale_name, change, no_wait=no_wait)
    return _rows(after.spec.model_dump(mode="json"), profile_name)[-1]


@command(app, "list", example="penstock autoscale rule list --autoscale-name fraud/blue", text=_RULES)
def list_all(autoscale_name: AutoscaleName, profile_name: ProfileName = DEFAULT) -> Any:
    """List the rules of a profile, with the numbers that `delete` takes."""
    with connect() as client:
        return _rows(client.autoscales.find(autoscale_name).spec.model_dump(mode="json"), profile_name)


@command(app, "delete", example="penstock autoscale rule delete --autoscale-name fraud/blue --index 0")
def delete(
    autoscale_name: AutoscaleName, index: _Index, profile_name: ProfileName = DEFAULT, no_wait: NoWait = False
) -> Any:
    """Take rules from a profile."""

    def change(fields: Fields) -> Fields:
        profile = profile_of(fields, profile_name)
        rules = cast(list[Fields], profile.get("rules", []))
        _check_index(index, len(rules))
        profile["rules"] = [] if "*" in index else [rule for n, rule in enumerate(rules) if str(n) not in index]
        return fields

    with connect() as client:
        after = changed(client, autoscale_name, change, no_wait=no_wait)
    notice(f"{len(_rows(after.spec.model_dump(mode='json'), profile_name))} rules are left in profile {profile_name!r}")


def _words(text: str) -> str:
    return text.replace(SEPARATOR, " ")


def _rows(fields: Fields, profile_name: str) -> list[Fields]:
    rules = cast(list[Fields], profile_of(fields, profile_name)["rules"])
    return [{"index": n, **rule} for n, rule in enumerate(rules)]


def _check_source(resource: str | None, endpoint: str) -> None:
    from penstock.domain.autoscale_azure import check_metric_source

    if resource is None:
        return
    try:
        check_metric_source(resource, endpoint, "--resource")
    except ValueError as err:
        raise invalid(str(err)) from None


def _check_index(index: list[str], count: int) -> None:
    for word in index:
        if word != "*" and not (word.isdecimal() and int(word) < count):
            raise invalid(f"--index {word!r}: the profile has {count} rules, numbered from 0")

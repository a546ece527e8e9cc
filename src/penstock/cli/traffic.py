"""Traffic as it is written on a command line: "blue=90 green=10"."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer

from penstock.domain.errors import invalid

_Traffic = Annotated[
    list[str] | None,
    typer.Option("--traffic", "-r", metavar="SHARES", help='Percents by deployment: "blue=90 green=10".'),
]
_MirrorTraffic = Annotated[
    list[str] | None,
    typer.Option("--mirror-traffic", metavar="SHARES", help='Percents of requests that are copied: "green=10".'),
]


@dataclass(frozen=True)
class Shares:
    """Flags that say who gets which part of an endpoint's requests."""

    traffic: _Traffic = None
    mirror_traffic: _MirrorTraffic = None

    def fields(self) -> dict[str, dict[str, int]]:
        """The endpoint's fields that were given. Raises as `parse_traffic`."""
        given = {"traffic": self.traffic, "mirror_traffic": self.mirror_traffic}
        return {
            field: parse_traffic(f"--{field.replace('_', '-')}", written)
            for field, written in given.items()
            if written is not None
        }


def parse_traffic(flag: str, written: Iterable[str]) -> dict[str, int]:
    """Percents by deployment; raises `invalid` naming the flag and the part that is not understood.

    Whether the percents add up is the endpoint's own rule.
    """
    percents: dict[str, int] = {}
    for part in " ".join(written).replace(",", " ").split():
        name, _, percent = part.rpartition("=")
        if not name or not re.fullmatch(r"[0-9]{1,3}%?", percent):
            raise invalid(f'{flag}: {part!r} is not understood: write whole percents, e.g. "blue=90 green=10"')
        if name in percents:
            raise invalid(f"{flag}: {name!r} stands twice")
        percents[name] = int(percent.rstrip("%"))
    if not percents:
        raise invalid(f'{flag}: no deployment is named: write e.g. "blue=90 green=10"')
    return percents

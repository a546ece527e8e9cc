"""Traffic as it is written on a command line: "blue=90 green=10"."""

import re
from collections.abc import Iterable

from penstock.domain.errors import invalid


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

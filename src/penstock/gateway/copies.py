"""Counts of the copies for mirrors: as the gateway's threads tell them, and as metrics. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from penstock.gateway.base import Copies

_LINE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+) (sent|failed|dropped|skipped) ([0-9]+)\Z")


def parse_copies(texts: Iterable[str]) -> Mapping[str, Copies]:
    """The sums of what all threads say, by shadow (ENDPOINT/DEPLOYMENT); lines that are something else are nothing."""
    found: dict[str, Copies] = {}
    for match in (_LINE.match(line) for text in texts for line in text.splitlines()):
        if match is not None:
            name = f"{match[1]}/{match[2]}"
            found[name] = found.get(name, Copies()) + Copies(**{match[3]: int(match[4])})
    return found


def copies_exposed(copies: Mapping[str, Copies]) -> str:
    """The counts in Prometheus' text format; the same labels as HAProxy's own metrics of the backend."""
    lines = [
        f'penstock_mirror_copies_total{{proxy="{name.replace("/", ".")}",outcome="{outcome}"}} {count}\n'
        for name, each in sorted(copies.items())
        for outcome, count in asdict(each).items()
    ]
    return "# TYPE penstock_mirror_copies_total counter\n" + "".join(lines) if lines else ""

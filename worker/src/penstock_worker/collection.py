"""What a deployment wants collected: its collections with their sampling rates, as the platform has written it down."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INPUTS, OUTPUTS = "model_inputs", "model_outputs"
REQUEST, RESPONSE = "request", "response"


@dataclass(frozen=True)
class Collections:
    """The collections that are enabled, by name, with the share of records to keep.

    `rolling` says how often folders change: `minute`, `hour` or `day`. `headers` are those of requests that are kept
    with their bodies.
    """

    rates: Mapping[str, float]
    rolling: str = "hour"
    headers: tuple[str, ...] = field(default=())


def read_collections(path: Path) -> Collections:
    """What the file at `path` says. Raises OSError or ValueError.

    It is the file that Azure's package reads too. There sampling is left to us: that of the package takes inputs and
    outputs independently, which leaves few that join.
    """
    told = json.loads(path.read_text(encoding="utf-8"))
    own = told.get("penstock", {})
    rates = {name: float(own.get("sampling", {}).get(name, 1.0)) for name in told["collections"]}
    return Collections(rates, own.get("rolling", "hour"), tuple(own.get("headers", ())))

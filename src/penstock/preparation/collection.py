"""How instances are told what to collect. Pure."""

import json
from pathlib import Path

from penstock.domain.collector import Collecting


def collector_file(app: Path) -> Path:
    """What instances, and Azure's package in them, read of the collections that are enabled."""
    return app / "collector.json"


def collector_json(collecting: Collecting) -> bytes:
    """The content of that file.

    Azure's package is told to send everything: it would sample inputs and outputs independently, so that few join.
    """
    collections = {name: {"enabled": True, "sampleRatePercentage": 100} for name in collecting.rates}
    own = {"sampling": collecting.rates, "rolling": collecting.rolling, "headers": collecting.headers}
    return json.dumps({"runMode": "cloud", "collections": collections, "penstock": own}).encode()

"""Writes features.json, the large file that both deployments need: a table of 100,000 places. Run it once."""

import json
import random
from pathlib import Path

random.seed(7)
places = {f"place-{number}": [round(random.random(), 6) for _ in range(4)] for number in range(100_000)}
folder = Path(__file__).parent / "model"
folder.mkdir(exist_ok=True)
(folder / "features.json").write_text(json.dumps(places))

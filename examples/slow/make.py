"""Writes features.json, the large file that both deployments need: a table of 200,000 places. Run it once."""

import json
import random
from pathlib import Path

random.seed(7)
places = {f"place-{number}": [round(random.random(), 6) for _ in range(4)] for number in range(200_000)}
folder = Path(__file__).parent / "model"
folder.mkdir(exist_ok=True)
(folder / "features.json").write_text(json.dumps(places))

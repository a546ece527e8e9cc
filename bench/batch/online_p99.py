"""What a batch job does to the answers of an online endpoint.

`policies` tries out with plain processes how such work is best kept out of the way; `job` asks an online endpoint of
Penstock, at random times, while nothing else runs and while a batch job does, in turns.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "bench" / "online"), str(ROOT / "examples" / "demo")]

from beside_job import ALONE, ANY, JOB, Beside  # noqa: E402
from load import Loaded  # noqa: E402
from penstock_side import Penstock  # noqa: E402
from policies import POLICIES, measured  # noqa: E402
from session import made_stage  # noqa: E402
from table import markdown  # noqa: E402

_HEAD = ["p50 ms", "p99 ms", "p99.9 ms", "failed"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("policies", "job"))
    # A row of model A takes some 5 ms: more would measure a server that is full, whatever runs beside it.
    parser.add_argument("--rate", type=int, default=50, help="requests per second (default 50)")
    parser.add_argument("--seconds", type=int, default=6, help="of each measurement (default 6)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--rows", type=int, default=5_000_000, help="that the job scores (default 5,000,000)")
    parser.add_argument("--environments", type=Path, default=ROOT / ".uv" / "bench")
    parser.add_argument("--builds", type=Path, default=ROOT / "build" / "bench")
    given = parser.parse_args()
    (_policies if given.what == "policies" else _job)(given)
    return 0


def _policies(given: argparse.Namespace) -> None:
    found: dict[str, list[tuple[Loaded, float]]] = {name: [] for name in POLICIES}
    for number in range(1, given.rounds + 1):
        for name, cells in found.items():
            loaded, share = measured(name, given.rate, given.seconds)
            cells.append((loaded, share))
            print(f"round {number}  {name:38} {_said(loaded)}  computing {share:.0%}", flush=True)
    rows = [
        [name, *_cells([loaded for loaded, _ in cells]), f"{statistics.median(share for _, share in cells):.0%}"]
        for name, cells in found.items()
    ]
    print(markdown(f"{given.rate} requests/s, by what computes meanwhile", ["", *_HEAD, "it gets"], rows))


def _cells(found: Sequence[Loaded]) -> list[str]:
    medians = [statistics.median(getattr(each, what) for each in found) for what in ("p50", "p99", "p999")]
    return [*(f"{value:.2f}" for value in medians), str(sum(each.failures for each in found))]


def _job(given: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    stage = made_stage(given.environments, given.builds, given.rows, folder)
    penstock = Penstock(folder / "penstock", stage)
    found: dict[str, list[Loaded]] = {ALONE: [], JOB: [], ANY: []}
    try:
        penstock.up()
        beside = Beside(penstock, stage.data.csv, stage.models / "A", folder)
        for number in range(1, given.rounds + 1):
            for name, loaded in beside.measured(given.rate, given.seconds):
                found[name].append(loaded)
                print(f"round {number}  {name:22} {_said(loaded)}", flush=True)
    finally:
        penstock.down()
        shutil.rmtree(folder, ignore_errors=True)
    rows = [[name, *_cells(cells), _times(cells, found[ALONE])] for name, cells in found.items()]
    print(markdown(f"An online endpoint at {given.rate} requests/s", ["", *_HEAD, "p99, times alone"], rows))
    print(f"\nThe job scored {statistics.median(beside.rows_per_second):,.0f} rows/s meanwhile.")


def _times(cells: Sequence[Loaded], alone: Sequence[Loaded]) -> str:
    """Within rounds."""
    return f"{statistics.median(a.p99 / b.p99 for a, b in zip(cells, alone, strict=True)):.2f}"


def _said(loaded: Loaded) -> str:
    return f"p50 {loaded.p50:.2f}  p99 {loaded.p99:.2f}  p99.9 {loaded.p999:.2f} ms  failed {loaded.failures}"


if __name__ == "__main__":
    sys.exit(main())

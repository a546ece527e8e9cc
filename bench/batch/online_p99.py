"""What a batch job does to the answers of an online endpoint.

`policies` tries out with plain processes how such work is best kept out of the way; `job` asks an online endpoint of
Penstock, at random times, while nothing else runs and while a batch job does, in turns.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "bench" / "online"), str(ROOT / "examples" / "demo")]

from load import Loaded  # noqa: E402
from policies import POLICIES, measured  # noqa: E402
from table import markdown  # noqa: E402

_HEAD = ["p50 ms", "p99 ms", "p99.9 ms", "failed"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("policies", "job"))
    parser.add_argument("--rate", type=int, default=200, help="requests per second (default 200)")
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement (default 10)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    given = parser.parse_args()
    (_policies if given.what == "policies" else _job)(given)
    return 0


def _policies(given: argparse.Namespace) -> None:
    found: dict[str, list[tuple[Loaded, float]]] = {name: [] for name in POLICIES}
    for number in range(1, given.rounds + 1):
        for name, cells in found.items():
            loaded, share = measured(name, given.rate, given.seconds)
            cells.append((loaded, share))
            said = f"p50 {loaded.p50:.2f}  p99 {loaded.p99:.2f}  p99.9 {loaded.p999:.2f} ms  computing {share:.0%}"
            print(f"round {number}  {name:38} {said}", flush=True)
    rows = [
        [name, *_cells([loaded for loaded, _ in cells]), f"{statistics.median(share for _, share in cells):.0%}"]
        for name, cells in found.items()
    ]
    print(markdown(f"{given.rate} requests/s, by what computes meanwhile", ["", *_HEAD, "it gets"], rows))


def _cells(found: Sequence[Loaded]) -> list[str]:
    medians = [statistics.median(getattr(each, what) for each in found) for what in ("p50", "p99", "p999")]
    return [*(f"{value:.2f}" for value in medians), str(sum(each.failures for each in found))]


def _job(given: argparse.Namespace) -> None:
    raise SystemExit("not yet")


if __name__ == "__main__":
    sys.exit(main())

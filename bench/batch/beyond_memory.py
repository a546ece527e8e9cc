"""A job that reads a hundred times as much as its workers may have of memory: one file, many times, by links.

Its output is the id and the prediction, so that the disk holds it. Prints rows per second, the workers' memory, and
whether every row came out as often as it is there.
"""

import argparse
import math
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "bench" / "online"), str(ROOT / "examples" / "demo")]

from cases import CASES  # noqa: E402
from penstock_side import PARTS, Penstock  # noqa: E402
from session import made_stage  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, default=1024, help="MiB that both workers may have (default 1024)")
    parser.add_argument("--times", type=int, default=100, help="as much input as memory (default 100)")
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the file (default 5,000,000)")
    given = parser.parse_args()
    builds = ROOT / "build" / "bench"
    folder = Path(tempfile.mkdtemp(prefix="beyond-", dir=builds))
    penstock = None
    try:
        stage = made_stage(ROOT / ".uv" / "bench", builds, given.rows, folder)
        size = stage.data.one.stat().st_size
        count = math.ceil(given.times * given.memory * 2**20 / size)
        linked = folder / "many"
        linked.mkdir()
        for number in range(count):
            os.link(stage.data.one, linked / f"{number:04d}.parquet")
        stage = replace(stage, data=replace(stage.data, rows=count * given.rows, many=linked))
        print(f"{count} files of {size / 2**20:,.0f} MiB, {given.memory} MiB of memory", flush=True)
        penstock = Penstock(folder / "penstock", stage, memory_bytes=given.memory * 2**20, keep_columns=("id",))
        penstock.up()
        measured, found = penstock.measure(PARTS, CASES["A many"], 1)
    finally:
        if penstock is not None:
            penstock.down()
        shutil.rmtree(folder, ignore_errors=True)
    whole = (found.rows, found.ids) == (count * given.rows, count * given.rows * (given.rows - 1) // 2)
    print(
        f"{measured.rows:,} rows in {measured.wall:,.0f} s, {measured.rows / (measured.steady or measured.wall):,.0f} "
        f"rows/s, at most {measured.peak:,.0f} MiB; every row once: {'yes' if whole else f'NO, {found}'}"
    )
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())

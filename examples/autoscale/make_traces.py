"""Write the traces of this folder: how many requests came in each span of time."""

import csv
import math
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent


def day(minute: int) -> int:
    """1 request/s in the early morning, 40 in the afternoon, with a dip at noon."""
    hour = minute / 60
    curve = 20.5 - 19.5 * math.cos(2 * math.pi * (hour - 3) / 24)
    dip = 8 * math.exp(-((hour - 12.5) ** 2) / 0.5)
    return round(60 * max(1.0, curve - dip))


def spike(second: int) -> int:
    """10 requests/s, and 120 for a minute."""
    return 120 if 300 <= second < 360 else 10


def ramp(second: int) -> int:
    """From 1 to 150 requests/s in ten minutes."""
    return round(1 + 149 * second / 600)


def quiet(second: int) -> int:
    """Nobody for ten minutes, then somebody for two, twice."""
    return 3 if second % 720 >= 600 else 0


def write(name: str, times: Iterable[int], counts: Iterable[int]) -> None:
    with (HERE / name).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("time", "requests"), *zip(times, counts, strict=True)])


if __name__ == "__main__":
    write("day.csv", range(0, 86_400, 60), map(day, range(1440)))
    write("spike.csv", range(0, 900), map(spike, range(900)))
    write("ramp.csv", range(0, 600), map(ramp, range(600)))
    write("quiet.csv", range(0, 1440), map(quiet, range(1440)))

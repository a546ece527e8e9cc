"""Makes the data of the benchmark, the same on every machine, in the environment of the models.

    make_data.py ROWS FOLDER   ROWS rows as FOLDER/one/data.parquet, in row groups of 131,072, and as 64 files in
                               FOLDER/many; the first fifth of them as FOLDER/data.csv

`one_only` as a third argument leaves out all but the one file. Columns: id, 18 floats of which six have gaps, six
integers, six strings of 4 to 50 different values.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

GROUP_ROWS = 131_072
FILES = 64
CSV_SHARE = 5
FLOATS = [f"f{number}" for number in range(18)]
INTEGERS = [f"i{number}" for number in range(6)]
WORDS = {"s0": 4, "s1": 8, "s2": 12, "s3": 20, "s4": 30, "s5": 50}
WITH_GAPS = FLOATS[:6]
FEATURES = [*FLOATS, *INTEGERS, *WORDS]
_PLAIN = pyarrow.csv.WriteOptions(quoting_style="needed")


def main() -> None:
    rows, folder = int(sys.argv[1]), Path(sys.argv[2])
    everything = "one_only" not in sys.argv[3:]
    for name in ("one", "many"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    many = Files(folder / "many", rows) if everything else None
    left = rows // CSV_SHARE if everything else 0
    text = pyarrow.csv.CSVWriter(folder / "data.csv", schema(), write_options=_PLAIN) if left else None
    with pq.ParquetWriter(folder / "one" / "data.parquet", schema()) as one:
        for table in groups(rows):
            one.write_table(table, row_group_size=GROUP_ROWS)
            if many is not None:
                many.write(table)
            if text is not None and left:
                text.write_table(table.slice(0, left))
                left -= min(left, table.num_rows)
    if text is not None:
        text.close()


class Files:
    """Rows in so many files of the same size, in their order, each with one row group."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder = folder
        self._sizes = [rows * (number + 1) // FILES - rows * number // FILES for number in range(FILES)]
        self._number = 0
        self._pending: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        self._pending.append(table)
        found = pa.concat_tables(self._pending)
        while self._number < FILES and found.num_rows >= self._sizes[self._number]:
            size = self._sizes[self._number]
            pq.write_table(found.slice(0, size), self._folder / f"part-{self._number:03}.parquet")
            found, self._number = found.slice(size), self._number + 1
        self._pending = [found] if found.num_rows else []


def groups(rows: int) -> Iterator[pa.Table]:
    """Each has a seed of its own: the first rows are the same ones however many follow."""
    for start in range(0, rows, GROUP_ROWS):
        yield _group(start).slice(0, min(GROUP_ROWS, rows - start))


def labels(table: pa.Table) -> np.ndarray:
    """What the models learn: a rule with noise, of which floats, integers and words are part."""
    numbers = [np.nan_to_num(table[name].to_numpy()) for name in ("f0", "f7", "f12")]
    codes = [pc.index_in(table[name], words(name)).to_numpy() for name in ("s1", "s4")]
    score = numbers[0] - 0.8 * numbers[1] * numbers[2] + 0.1 * table["i2"].to_numpy() ** 0.5
    score += 0.3 * (codes[0] % 3) - 0.2 * (codes[1] % 4)
    noise = np.random.default_rng(len(score)).normal(0, 0.6, len(score))
    return (score + noise > 0.4).astype(np.int64)


def words(name: str) -> pa.Array:
    return pa.array([f"{name}-{number * 7919 % 1000:03}" for number in range(WORDS[name])])


def schema() -> pa.Schema:
    types = {"id": pa.int64(), **dict.fromkeys(FLOATS, pa.float64()), **dict.fromkeys(INTEGERS, pa.int64())}
    return pa.schema({**types, **dict.fromkeys(WORDS, pa.string())})


def _group(start: int) -> pa.Table:
    draw = np.random.default_rng([7, start // GROUP_ROWS])
    columns: dict[str, pa.Array] = {"id": pa.array(np.arange(start, start + GROUP_ROWS, dtype=np.int64))}
    for name in FLOATS:
        values = draw.normal(0, 1, GROUP_ROWS).round(6)
        if name in WITH_GAPS:
            values[draw.random(GROUP_ROWS) < 0.01] = np.nan
        columns[name] = pa.array(values, from_pandas=True)
    for number, name in enumerate(INTEGERS):
        columns[name] = pa.array(draw.integers(0, 10 ** (1 + number % 4), GROUP_ROWS))
    for name, count in WORDS.items():
        columns[name] = words(name).take(pa.array(draw.integers(0, count, GROUP_ROWS)))
    return pa.table(columns, schema=schema())


if __name__ == "__main__":
    main()

"""The limit: two plain processes with the model itself, one thread each, and nothing that a platform adds.

No check of the signature, no ledger, no fsync, no coordinator. Parquet is read by row groups with strings as
dictionaries, predicted in slices of 16,384 rows, and written with dictionaries for strings alone; CSV is cut into
ranges between records by the parity of quotes. `--script` runs the init/run loop of a batch script bare.
"""

import argparse
import itertools
import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from side import WORKERS, Side, mark, side

SLICE_ROWS = 16_384
CSV_RANGES = 16
STAGES = ("read", "convert", "predict", "write")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--script", type=Path, help="a batch script: its loop in place of the model's")
    parser.add_argument("--mini-batch", type=int, default=1, help="files of a mini-batch of the script")
    given = side(parser)
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    context = multiprocessing.get_context("spawn")
    taken, barrier, found = context.Value("l", 0), context.Barrier(WORKERS + 1), context.Queue()
    work = _script if given.options.script else _score
    workers = [context.Process(target=work, args=(given, n, taken, barrier, found)) for n in range(WORKERS)]
    for worker in workers:
        worker.start()
    barrier.wait()
    mark(given.marks)
    cpu = [found.get() for _ in workers]
    for worker in workers:
        worker.join()
    given.ended(cpu={stage: sum(each.get(stage, 0.0) for each in cpu) for stage in cpu[0]})


def _score(given: Side, number: int, taken: Any, barrier: Any, found: Any) -> None:
    import numpy
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    model = pickle.loads((given.model / "model.pkl").read_bytes())
    columns = list(model.feature_names_in_)
    barrier.wait()
    clock = Clock()
    tables = _csv_tables if given.input.suffix == ".csv" else _parquet_tables
    writer = None
    for read in tables(given, taken):
        with clock("read"):
            table = read()
        predicted = []
        for start in range(0, table.num_rows, SLICE_ROWS):
            with clock("convert"):
                frame = frame_of(table.slice(start, SLICE_ROWS), columns)
            with clock("predict"):
                predicted.append(model.predict_proba(frame))
        with clock("write"):
            table = with_predictions(table, numpy.concatenate(predicted))
            writer = writer or _writer(given.output / f"part-{number}.parquet", table)
            writer.write_table(table)
    with clock("write"):
        if writer is not None:
            writer.close()
    found.put(clock.spent)


def _parquet_tables(given: Side, taken: Any) -> Iterator[Callable[[], Any]]:
    """Row groups, in turn; a process takes the next one that nobody has taken."""
    import pyarrow.parquet as pq

    strings = [field.name for field in pq.read_schema(given.files[0]) if str(field.type) == "string"]
    groups = [(file, n) for file in given.files for n in range(pq.read_metadata(file).num_row_groups)]
    opened: tuple[Path, Any] | None = None
    while (place := _next(taken)) < len(groups):
        path, group = groups[place]
        if opened is None or opened[0] != path:
            opened = (path, pq.ParquetFile(path, read_dictionary=strings))
        file = opened[1]
        yield lambda file=file, group=group: file.read_row_group(group, use_threads=False)


def _csv_tables(given: Side, taken: Any) -> Iterator[Callable[[], Any]]:
    """Ranges between records. Each process looks for the cuts: half the pass each would cost more than it saves."""
    import pyarrow as pa
    from pyarrow import csv

    with given.input.open("rb") as file:
        header = csv.read_csv(pa.py_buffer(file.readline() * 2)).column_names
    types = _csv_types(header)
    with pa.memory_map(str(given.input)) as source:
        whole = source.read_buffer()
        ranges = cuts(whole, CSV_RANGES)
        while (place := _next(taken)) < len(ranges):
            start, end = ranges[place]
            options = {
                "read_options": csv.ReadOptions(
                    use_threads=False, block_size=end - start, column_names=header, skip_rows=int(start == 0)
                ),
                "convert_options": csv.ConvertOptions(column_types=types),
                "parse_options": csv.ParseOptions(newlines_in_values=True),
            }
            yield lambda start=start, end=end, o=options: csv.read_csv(whole.slice(start, end - start), **o)


def cuts(whole: Any, count: int) -> list[tuple[int, int]]:
    """Ranges of about the same size that begin and end between two records.

    A newline ends a record if an even number of quotes stand before it: they are counted from the beginning.
    """
    import numpy

    text = numpy.frombuffer(whole, dtype=numpy.uint8)
    size = len(text)
    bounds, quotes, counted = [0], 0, 0
    for number in range(1, count):
        place = max(size * number // count, bounds[-1])
        quotes += int(numpy.count_nonzero(text[counted:place] == ord('"')))
        counted = place
        parity = quotes % 2
        while place < size:
            byte = text[place]
            place += 1
            parity ^= int(byte == ord('"'))
            if byte == ord("\n") and not parity:
                break
        bounds.append(place)
    bounds.append(size)
    return [(start, end) for start, end in itertools.pairwise(bounds) if end > start]


def frame_of(table: Any, columns: list[str]) -> Any:
    """Each different string becomes an object once, which all its rows share: what scikit-learn takes fastest."""
    import numpy
    import pandas
    import pyarrow as pa

    found = {}
    for name in columns:
        column = table[name].combine_chunks()
        if pa.types.is_dictionary(column.type):
            words = numpy.array(column.dictionary.to_pylist(), dtype=object)
            found[name] = pandas.Series(words[column.indices.to_numpy()], dtype=object)
        else:
            found[name] = column.to_numpy(zero_copy_only=False)
    return pandas.DataFrame(found, copy=False)


def with_predictions(table: Any, predicted: Any) -> Any:
    for number in range(predicted.shape[1]):
        table = table.append_column(f"prediction_{number}", [predicted[:, number]])
    return table


def _script(given: Side, number: int, taken: Any, barrier: Any, found: Any) -> None:
    """What run() returns goes into a file of the process's own, as rows of text."""
    sys.path.insert(0, str(given.options.script.parent))
    os.environ["AZUREML_MODEL_DIR"] = str(given.model)
    script = __import__(given.options.script.stem)
    files, size = [str(path) for path in given.files], given.options.mini_batch
    script.init()
    barrier.wait()
    clock = Clock()
    with (given.output / f"part-{number}.csv").open("w", encoding="utf-8") as output:
        while (place := _next(taken) * size) < len(files):
            with clock("run"):
                rows = script.run(files[place : place + size])
            with clock("write"):
                rows.to_csv(output, index=False, header=False)
    found.put(clock.spent)


class Clock:
    """Seconds of the processor by stage, all threads together."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.spent[stage] = self.spent.get(stage, 0.0) + time.process_time() - began


def _writer(path: Path, table: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    strings = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    return pq.ParquetWriter(path, table.schema, use_dictionary=strings)


def _csv_types(header: list[str]) -> dict[str, Any]:
    """By the first letter of the name, as make_data.py gives it."""
    import pyarrow as pa

    kinds = {"f": pa.float64(), "i": pa.int64(), "s": pa.dictionary(pa.int32(), pa.string())}
    return {name: kinds[name[0]] for name in header}


def _next(taken: Any) -> int:
    with taken.get_lock():
        taken.value += 1
        return taken.value - 1


if __name__ == "__main__":
    main()

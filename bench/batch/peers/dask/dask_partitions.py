"""Dask's map_partitions on a LocalCluster of two processes with one thread each."""

import dask
import dask.dataframe as dd
from dask.distributed import Client, LocalCluster
from scoring import PREDICTIONS, loaded, scored
from side import WORKERS, side


def main() -> None:
    given = side()
    dask.config.set({"distributed.worker.daemon": True})
    processes = LocalCluster(n_workers=WORKERS, threads_per_worker=1, memory_limit=0, dashboard_address=None)
    with processes as cluster, Client(cluster) as client:
        client.run(_load, given.model, given.marks)
        rows = _rows(given.input)
        meta = rows._meta.assign(**dict.fromkeys(PREDICTIONS, 0.0))
        found = rows.map_partitions(_score, given.model, given.marks, meta=meta)
        found.to_parquet(given.output, write_index=False)
        given.ended()


def _rows(path):
    """A partition is a row group of 131,072 rows, or a file: with Dask's own choice one file makes four."""
    return dd.read_csv(path) if path.suffix == ".csv" else dd.read_parquet(path, split_row_groups=True)


def _load(folder, marks) -> None:
    loaded(folder, marks)


def _score(frame, folder, marks):
    return scored(loaded(folder, marks), frame.copy())


if __name__ == "__main__":
    main()

"""joblib with two processes; a task is a row group of 131,072 rows, or a file, and writes a file of its own."""

import pyarrow.parquet as pq
from joblib import Parallel, delayed
from scoring import loaded, scored
from side import WORKERS, side


def main() -> None:
    given = side()
    groups = [(path, group) for path in given.files for group in range(pq.read_metadata(path).num_row_groups)]
    tasks = (delayed(score)(path, group, given.model, given.marks, given.output) for path, group in groups)
    Parallel(n_jobs=WORKERS, batch_size=1)(tasks)
    given.ended()


def score(path, group, folder, marks, output) -> None:
    model = loaded(folder, marks)
    frame = scored(model, pq.ParquetFile(path).read_row_group(group).to_pandas())
    frame.to_parquet(output / f"{path.stem}-{group}.parquet", index=False)


if __name__ == "__main__":
    main()

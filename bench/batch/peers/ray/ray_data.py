"""Ray Data's map_batches with two actors.

Ray is told of four processors on two: with two, the actors hold both, and nothing is left for those that read.
"""

import os

import ray
from scoring import BATCH_ROWS, loaded, scored
from side import WORKERS, side


class Scorer:
    def __init__(self, folder, marks) -> None:
        self._model = loaded(folder, marks)

    def __call__(self, frame):
        return scored(self._model, frame.copy())


def main() -> None:
    given = side()
    variables = {name: os.environ[name] for name in ("PYTHONPATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    ray.init(num_cpus=2 * WORKERS, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": variables})
    read = ray.data.read_csv if given.input.suffix == ".csv" else ray.data.read_parquet
    rows = read(str(given.input))
    found = rows.map_batches(
        Scorer,
        fn_constructor_args=(given.model, given.marks),
        batch_size=BATCH_ROWS,
        batch_format="pandas",
        concurrency=WORKERS,
        num_cpus=1,
    )
    found.write_parquet(str(given.output))
    given.ended()
    ray.shutdown()


if __name__ == "__main__":
    main()

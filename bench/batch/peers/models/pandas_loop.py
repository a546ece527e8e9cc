"""A loop over batches of 65,536 rows in one process, as one writes it by hand."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scoring import BATCH_ROWS, loaded, scored
from side import side


def main() -> None:
    given = side()
    model = loaded(given.model, given.marks)
    for path in given.files:
        writer = None
        for frame in batches(path):
            table = pa.Table.from_pandas(scored(model, frame), preserve_index=False)
            writer = writer or pq.ParquetWriter(given.output / f"{path.stem}.parquet", table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
    given.ended()


def batches(path):
    if path.suffix == ".csv":
        yield from pd.read_csv(path, chunksize=BATCH_ROWS)
    else:
        for batch in pq.ParquetFile(path).iter_batches(BATCH_ROWS):
            yield batch.to_pandas()


if __name__ == "__main__":
    main()

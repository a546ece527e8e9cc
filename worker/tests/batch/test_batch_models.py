"""MLflow models without code in batch jobs: the real worker in an environment of the models' own."""

import csv
import json
import os
import shutil
import struct
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.trained import REQUIREMENTS, made_by, python_with

from penstock_worker import batch_contract, contract
from penstock_worker.batch_contract import File, Segment, Task

pytestmark = pytest.mark.timeout(300)

MakeJob = Callable[..., Any]  # the fixture in conftest.py
NEEDED = (*REQUIREMENTS, "pyarrow", "cloudpickle", "pillow")

TRAIN = """
    from pathlib import Path
    import mlflow, numpy as np, pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    root = Path.cwd()
    dice = np.random.RandomState(0)
    table = pd.DataFrame({
        "x": dice.normal(size=200), "n": dice.randint(0, 9, 200), "s": np.array(list("abc"))[dice.randint(0, 3, 200)]
    })
    words = OneHotEncoder(handle_unknown="ignore")
    mixed = ColumnTransformer([("n", SimpleImputer(), ["x", "n"]), ("s", words, ["s"])])
    model = make_pipeline(mixed, LogisticRegression()).fit(table, table.x + table.n > 4)
    inputs = Schema([ColSpec("double", "x", required=False), ColSpec("long", "n"), ColSpec("string", "s")])
    mlflow.sklearn.save_model(
        model, root / "mixed", signature=ModelSignature(inputs=inputs), pip_requirements=[],
        pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle",
    )
    strict = make_pipeline(ColumnTransformer([("s", OneHotEncoder(), ["s"])]), LogisticRegression())
    strict.fit(table, table.x + table.n > 4)
    for name, example in (("strict", None), ("shown", table.head(3))):
        mlflow.sklearn.save_model(
            strict, root / name, signature=ModelSignature(inputs=inputs), pip_requirements=[], input_example=example,
            serialization_format="cloudpickle",
        )
    table.insert(0, "id", range(200))
    table.to_parquet(root / "rows.parquet")
    np.save(root / "expected.npy", model.predict_proba(table))

    class Picky(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            if (model_input["x"] == 13).any():
                raise ValueError("13 brings bad luck")
            result = model_input["x"].to_numpy() * 2
            return result[1:] if (model_input["x"] == -1).any() else result

    mlflow.pyfunc.save_model(
        root / "picky", python_model=Picky(), pip_requirements=[],
        signature=ModelSignature(inputs=Schema([ColSpec("double", "x")])),
    )

    class Bright(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.mean(axis=(1, 2, 3))

    mlflow.pyfunc.save_model(
        root / "bright", python_model=Bright(), pip_requirements=[],
        signature=ModelSignature(inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 2, 3, 3))])),
    )
"""


@pytest.fixture(scope="module")
def models() -> Path:
    return made_by(textwrap.dedent(TRAIN), NEEDED)


class Scoring:
    """A job of one of the models."""

    def __init__(self, job: Any, model: Path) -> None:
        self.job = job
        self._model = model

    def start(self, *, ready: bool = True, **more: str) -> Any:
        variables = {contract.ENTRY_SCRIPT: "", contract.MLFLOW_MODEL: str(self._model), **more}
        return self.job.start(ready=ready, python=str(python_with(NEEDED)), **variables)

    def input(self, name: str, content: str | bytes | pa.Table, number: int = 0) -> File:
        path = self.job.root / "input" / name
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        found = path.stat()
        return File(number, str(path), name, found.st_size, found.st_mtime_ns)

    def score(self, *files: File, number: int = 0, **more: Any) -> Any:
        task = Task(f"{number:06d}", "score", 1, tuple(Segment(file) for file in files), **more)
        batch_contract.write(self.job.task_path(task), task)
        return self.job.finished(task)

    def part(self, result: Any, kind: str = "rows") -> Path:
        (part,) = (part for part in result.parts if part.kind == kind)
        path = self.job.folder / "parts" / part.name
        assert path.stat().st_size == part.bytes
        return path

    def rejects(self, result: Any) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.part(result, "rejects").read_text().splitlines()]


@pytest.fixture
def scoring(make_job: MakeJob, models: Path, tmp_path: Path) -> Callable[..., Scoring]:
    def make(model: str, **order: Any) -> Scoring:
        return Scoring(make_job("", **{"logs_folder": "", **order}), models / model)

    return make


def without_mlflow(job: Scoring) -> dict[str, str]:
    """Variables of a process in which MLflow cannot be imported."""
    trap = job.job.root / "trap"
    trap.mkdir()
    (trap / "mlflow.py").write_text("raise ImportError('MLflow is not to be imported')")
    return {"PYTHONPATH": os.pathsep.join((str(trap), job.job.environment()["PYTHONPATH"]))}


def test_key_columns_stand_beside_predictions_with_mlflow_and_without_it(
    scoring: Callable[..., Scoring], models: Path
) -> None:
    job = scoring("mixed", output_format="parquet", keep_columns=("id",), slice_rows=64)
    rows = pq.read_table(models / "rows.parquet")
    file = job.input("rows.parquet", rows)
    job.start()
    first = job.score(file)
    assert (first.rows_in, first.rows_out, first.rows_rejected) == (200, 200, 0), first
    found = pq.read_table(job.part(first))
    assert found.column_names == ["id", "prediction_0", "prediction_1"]
    assert found["id"].to_pylist() == list(range(200))
    expected = np.load(models / "expected.npy")
    assert np.array_equal(np.column_stack([found["prediction_0"], found["prediction_1"]]), expected)

    job.start(**without_mlflow(job))
    again = job.score(file, number=1, limit=150)
    assert again.rows_in == again.rows_out == 150
    assert pq.read_table(job.part(again)).equals(found.slice(0, 150))


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        pytest.param("mixed", True, id="on made-up rows"),
        pytest.param("shown", True, id="on its input example, as it takes no others"),
        pytest.param("strict", False, id="not at all where it has none and takes no others"),
        pytest.param("picky", False, id="not at all where it is code of the author's"),
    ],
)
def test_a_preflight_shows_that_a_model_needs_no_mlflow(
    scoring: Callable[..., Scoring], models: Path, model: str, shown: bool
) -> None:
    job = scoring(model, preflight=True)
    assert job.start(ready=False).wait(timeout=60) == contract.EXIT_OK
    assert job.job.report().phase == contract.READY
    batch_contract.write(job.job.folder / "order.json", replace(job.job.order, preflight=False))
    process = job.start(ready=False, **without_mlflow(job))
    if not shown:
        assert process.wait(timeout=60) == contract.EXIT_CANNOT_LOAD
        return
    result = job.score(job.input("rows.parquet", pq.read_table(models / "rows.parquet")))
    assert (result.rows_out, result.rows_rejected) == (200, 0), result


def test_rows_that_break_the_signature_are_set_aside_with_the_reason(scoring: Callable[..., Scoring]) -> None:
    job = scoring("mixed")
    good = job.input("good.csv", "s,n,x,more\na,1,0.5,q\nb,,1,q\nb,2,,q\n")
    other = job.input("other.csv", "n,x\n1,2\n", 1)
    empty = job.input("empty.csv", "x,n,s\n", 2)
    job.start()
    result = job.score(good, other, empty)
    assert (result.rows_out, result.rows_rejected, result.reason) == (2, 1, ""), result
    (reject,) = job.rejects(result)
    assert (reject["file_name"], reject["row"]) == ("good.csv", 1)
    assert "column 'n'" in reject["reason"]
    lines = list(csv.reader(job.part(result).read_text().splitlines()))
    assert [(row, name) for row, _, name in lines] == [("0", "good.csv"), ("2", "good.csv")]
    assert all(abs(sum(json.loads(values)) - 1) < 1e-9 for _, values, _ in lines)
    (fault,) = result.faults
    assert (fault.number, fault.message) == (1, "column 's' missing, which the model expects")


def test_rows_that_a_model_fails_on_are_found_and_a_model_that_always_fails_is_told(
    scoring: Callable[..., Scoring],
) -> None:
    job = scoring("picky", output_format="jsonl")
    job.start()
    values = [float(n % 50) for n in range(1000)]
    result = job.score(job.input("some.parquet", pa.table({"x": values})))
    assert (result.rows_in, result.rows_out, result.rows_rejected) == (1000, 980, 20), result
    assert [reject["row"] for reject in job.rejects(result)] == [n for n in range(1000) if n % 50 == 13]
    assert {reject["reason"] for reject in job.rejects(result)} == {"the model failed: ValueError: 13 brings bad luck"}
    lines = [json.loads(line) for line in job.part(result).read_text().splitlines()]
    assert all(line == {"file_name": "some.parquet", "row": line["row"], "prediction": values[line["row"]] * 2}
               for line in lines)  # fmt: skip

    parts = job.job.parts
    always = job.score(job.input("all.parquet", pa.table({"x": [13.0] * 50})), number=1)
    assert (always.reason, always.parts) == (batch_contract.RUN_FAILED, ())
    assert "13 brings bad luck" in always.message
    assert "in predict" in always.traceback
    short = job.score(job.input("short.parquet", pa.table({"x": [1.0, -1.0]})), number=2)
    assert (short.reason, short.message) == (batch_contract.RUN_FAILED, "the model returned 1 results for 2 rows")
    assert job.job.parts == parts


def test_small_files_are_predicted_together_and_written_apart(scoring: Callable[..., Scoring]) -> None:
    job = scoring("picky", output_format="parquet", output_mode="per_input", keep_columns=("key", "x"))
    numbers = [n for n in range(150) if n != 13]  # more than are open at a time
    files = [job.input(f"{n}.csv", f"x,key\n{n},k{n}\n", n) for n in numbers]
    job.start()
    result = job.score(*files)
    assert [part.segment for part in result.parts] == list(range(149))
    tables = [pq.read_table(job.job.folder / "parts" / part.name) for part in result.parts]
    assert [table.to_pylist() for table in tables] == [
        [{"key": f"k{n}", "x": float(n), "prediction": 2.0 * n}] for n in numbers
    ]
    assert tables[9]["key"].chunk(0).dictionary.to_pylist() == ["k9"]  # nothing of other files


def test_images_are_arrays_of_the_signatures_type(scoring: Callable[..., Scoring]) -> None:
    # A bitmap of three by two pixels: its head, and lines that are filled up to a multiple of four bytes.
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 78, 0, 0, 54, 40, 3, 2, 1, 24, 0, 24, 0, 0, 0, 0)
    job = scoring("bright")
    image = job.input("grey.bmp", head + (bytes([7] * 9) + bytes(3)) * 2)
    broken = job.input("broken.png", b"no image", 1)
    job.start()
    result = job.score(image, broken)
    assert job.part(result).read_text() == "0,7,grey.bmp\n"
    assert [fault.number for fault in result.faults] == [1]


def test_what_was_shown_of_a_model_does_not_hold_for_another(models: Path, tmp_path: Path) -> None:
    from penstock_worker.batch.native_verdict import key_of

    copy = tmp_path / "model"
    shutil.copytree(models / "mixed", copy)
    key = key_of(copy)
    assert key == key_of(copy)
    os.utime(copy / "model.pkl")
    assert key_of(copy) != key


HEADER = "id,x,note\n"
ODD = {
    "quoted": HEADER + '1,2.5,"a, ""b"""\n2,3.5,c\n',
    "lines in quotes": HEADER + '1,2.5,"a\nb"\n2,3.5,c\n',
    "windows": "id,x,note\r\n1,2.5,a\r\n2,3.5,b\r\n",
    "windows, lines in quotes": 'id,x,note\r\n1,2.5,"a\r\nb"\r\n2,3.5,"c\nd"\r\n',
    "mark of byte order": "\ufeff" + HEADER + "1,2.5,a\n",
    "no last line end": HEADER + "1,2.5,a\n2,3.5,b",
    "empty lines": HEADER + "\n1,2.5,a\n\n2,3.5,b\n",
    "no rows": HEADER,
    "nothing": "",
    "a value that is none": HEADER + "1,?,a\n2,3.5,b\n",
    "a field too many": HEADER + "1,2.5,a,b\n2,3.5,b\n",
    "other columns": "x,id\n2.5,1\n",
    "without a column": "id,note\n1,a\n",
    "a quote is missing": HEADER + '1,2.5,"a\n2,3.5,b\n',
    "not utf-8": "id,x,note\n1,2.5,\udcff\n",
    "other numbers": HEADER + "007,2.5,a\n",
}


def small(number: int) -> str:
    return HEADER + "".join(f"{3 * number + row},{number / 8 + row},n{row}\n" for row in range(3))


@pytest.mark.parametrize("mode", ["one_file", "per_input"])
def test_whatever_is_odd_about_a_file_small_ones_come_out_as_each_alone(
    scoring: Callable[..., Scoring], mode: str
) -> None:
    job = scoring("picky", output_format="jsonl", output_mode=mode, keep_columns=("id", "note"))
    texts = [text for at, odd in enumerate(ODD.values()) for text in (small(2 * at), odd, small(2 * at + 1))]
    files = [
        job.input(f"{at:03d}.csv", text.encode("utf-8", "surrogateescape"), at)
        for at, text in enumerate([*texts, *map(small, range(100, 140))])
    ]
    job.start()
    together = job.score(*files)
    alone = [job.score(file, number=at + 1) for at, file in enumerate(files)]
    assert lines(job, [together], "rows") == lines(job, alone, "rows")
    assert lines(job, [together], "rejects") == lines(job, alone, "rejects")
    assert list(together.faults) == [fault for result in alone for fault in result.faults]
    for count in ("rows_in", "rows_out", "rows_rejected", "bytes_in"):
        assert getattr(together, count) == sum(getattr(result, count) for result in alone), count
    assert len(lines(job, [together], "rejects")) == 3  # one has 13
    assert {fault.number % 3 for fault in together.faults} == {1}
    if mode == "per_input":
        rows = {part.segment: part.rows for part in together.parts if part.kind == "rows"}
        assert rows == {at: result.rows_out for at, result in enumerate(alone) if result.rows_out}


def lines(job: Scoring, results: list[Any], kind: str) -> list[dict[str, Any]]:
    """Of the output, with the ids of rows as texts: whether they are numbers is told by all that are read at once."""
    names = [part.name for result in results for part in result.parts if part.kind == kind]
    texts = [line for name in names for line in (job.job.folder / "parts" / name).read_text().splitlines()]
    return [{name: str(value) for name, value in json.loads(text).items()} for text in texts]

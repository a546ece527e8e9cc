"""The compiler on real models, in an environment with real converters; what it makes is loaded without scikit-learn."""

import json
import os
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.trained import REQUIREMENTS, python_with

from penstock_worker.compiler.contract import MODULE, Job, Said

pytestmark = pytest.mark.timeout(300)

SOURCE = Path(__file__).parents[1] / "src"
CONVERTERS = (*REQUIREMENTS, "skl2onnx>=1.17", "onnx>=1.16", "onnxruntime>=1.18", "treelite>=4.3")
RUNTIMES = ("mlflow-skinny>=3", "pandas", "onnxruntime>=1.18", "treelite>=4.3")

TRAIN = """
    import sys
    from pathlib import Path
    import mlflow.sklearn, numpy, pandas
    from mlflow.models import infer_signature
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.semi_supervised import LabelSpreading

    root, random = Path(sys.argv[1]), numpy.random.default_rng(0)
    numbers = pandas.DataFrame(random.normal(size=(600, 4)).round(3), columns=list("abcd"))
    numbers["count"] = random.integers(0, 9, 600)
    labels = numpy.where(numbers.a + numbers.b * numbers.c > 0, "good", "bad")
    mixed = numbers.assign(town=numpy.where(numbers.d > 0, "Ulm", "Bonn"))
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer([("n", scaled, ["a", "b"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["town"])])

    def save(name, model, data, target, **more):
        model.fit(data, target)
        mlflow.sklearn.save_model(
            model, root / name, signature=infer_signature(data, model.predict(data)), input_example=data.head(2),
            pip_requirements=[], serialization_format="cloudpickle", **more,
        )
        data.to_json(root / f"{name}.jsonl", orient="records", lines=True)

    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    save("pipeline", pipeline, numbers, labels)
    save("likelihoods", pipeline, numbers, labels, pyfunc_predict_fn="predict_proba")
    save("forest", RandomForestClassifier(10, random_state=0), numbers, labels == "good")
    save("boosting", HistGradientBoostingClassifier(max_iter=10), numbers, labels)
    save("price", HistGradientBoostingRegressor(max_iter=10), numbers, numbers.a * 100)
    save("towns", make_pipeline(columns, LogisticRegression()), mixed, labels)
    save("spreading", LabelSpreading(), numbers.head(50), (labels == "good").astype(int)[:50])
"""

# Loads the original and its compiled version side by side, and says how their answers compare, type and all.
COMPARE = """
    import sys
    import mlflow.pyfunc, numpy, pandas
    original, compiled = (mlflow.pyfunc.load_model(path) for path in sys.argv[1:3])
    data = pandas.read_json(sys.argv[3], lines=True, precise_float=True).head(50)
    before, after = original.predict(data), compiled.predict(data)
    assert (before.dtype, before.shape) == (after.dtype, after.shape), (before.dtype, after.dtype)
    alike = (lambda a, b: numpy.allclose(a, b, atol=1e-5)) if before.dtype.kind == "f" else numpy.array_equal
    assert alike(before, after)
    inner = compiled._model_impl
    assert numpy.array_equal(inner.predict_array(data.to_numpy(dtype=inner.array_dtype)), after)
    assert alike(inner.predict_array(data.to_numpy(dtype="float64")), after)
    assert inner.array_dtype in ("float32", "float64")
    assert compiled.metadata.signature == original.metadata.signature
    assert compiled.input_example.equals(original.input_example)
"""

# Loads a compiled version where scikit-learn is not, and asks for the rows of a file.
SERVE = """
    import json, sys
    import mlflow.pyfunc, pandas
    compiled = mlflow.pyfunc.load_model(sys.argv[1])
    print(json.dumps(compiled.predict(pandas.read_json(sys.argv[2], lines=True, precise_float=True).head(5)).tolist()))
    assert "sklearn" not in sys.modules
    row = pandas.read_json(sys.argv[2], lines=True, precise_float=True).head(1)
    row.loc[0, "b"] = float("nan")
    try:
        print(json.dumps(compiled.predict(row).tolist()))
    except ValueError as error:
        print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    python(CONVERTERS, TRAIN, folder)
    return folder


def python(requirements: tuple[str, ...], script: str, *arguments: object) -> str:
    """What a script says that runs with `requirements`."""
    argv = [python_with(requirements), "-W", "ignore", "-c", textwrap.dedent(script), *map(str, arguments)]
    done = subprocess.run(argv, check=False, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiled(models: Path, name: str, folder: Path, **more: Any) -> tuple[Job, Said]:
    """The job and the last line of its report."""
    job = Job(
        model=str(models / name),
        data=str(models / f"{name}.jsonl"),
        output=str(folder / name),
        report=str(folder / f"{name}.report"),
        name=f"{name}:1",
        format="auto",
        tolerance=1e-5,
        rows=500,
        memory_bytes=2**32,
    )
    job = replace(job, **more)
    (folder / "job").write_text(job.text())
    subprocess.run(
        [python_with(CONVERTERS), "-W", "ignore", "-m", MODULE, folder / "job"],
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
    )
    return job, Said.read(Path(job.report).read_text().splitlines()[-1])


def outcome(said: Said) -> Mapping[str, Any]:
    assert said.outcome is not None, said
    return said.outcome


@pytest.mark.parametrize(
    ("name", "format_", "attempt"),
    [
        ("pipeline", "auto", "onnx in float64"),
        ("likelihoods", "auto", "onnx in float64"),
        ("forest", "auto", "onnx in float32"),
        ("boosting", "auto", "onnx in float32"),
        ("boosting", "treelite", "treelite in float64"),
        ("price", "auto", "onnx in float32"),
    ],
)
def test_a_compiled_model_answers_with_the_same_types_and_values(
    models: Path, tmp_path: Path, name: str, format_: str, attempt: str
) -> None:
    job, said = compiled(models, name, tmp_path, format=format_)
    found = outcome(said)
    assert (found["attempt"], found["rows"], found["differing"]) == (attempt, 500, 0)
    assert {(timing["rows"], timing["call"]) for timing in found["timings"]} == {
        (rows, call) for rows in (1, 64) for call in ("model", "pyfunc")
    }
    python(CONVERTERS, COMPARE, job.model, job.output, job.data)


def test_it_is_served_without_scikit_learn_and_refuses_what_the_original_refuses(models: Path, tmp_path: Path) -> None:
    job, said = compiled(models, "towns", tmp_path)
    assert outcome(said)["differing"] == 0
    required = (Path(job.output) / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in required] == ["mlflow-skinny", "numpy", "pandas", "onnxruntime"]
    labels, imputed = map(json.loads, python(RUNTIMES, SERVE, job.output, job.data).splitlines())
    assert set(labels) <= {"good", "bad"}
    assert imputed[0] in ("good", "bad")
    job, _ = compiled(models, "pipeline", tmp_path)
    _, refused = map(json.loads, python(RUNTIMES, SERVE, job.output, job.data).splitlines())
    assert refused == "row 0: column 'b' is missing (NaN), which the model does not take"


def test_what_cannot_be_compiled_is_named(models: Path, tmp_path: Path) -> None:
    _, said = compiled(models, "spreading", tmp_path)
    assert (said.failed, said.reason) == (True, "NotConvertible")
    assert "there is no converter to onnx for LabelSpreading" in said.message
    _, said = compiled(models, "price", tmp_path, data=str(models / "towns.jsonl"), format="onnx", tolerance=1e-12)
    assert outcome(said)["differing"] > 400
    assert [row["difference"] > 1e-12 for row in outcome(said)["worst"]] == [True] * 10
    (tmp_path / "short.csv").write_text("a,b\n1,2\n")
    _, said = compiled(models, "price", tmp_path, data=str(tmp_path / "short.csv"))
    assert said.message == "short.csv lacks columns of the model's signature: 'c', 'd', 'count'"

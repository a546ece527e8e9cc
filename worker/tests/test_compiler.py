"""The compiler on real models, in an environment with real converters; what it makes is loaded without scikit-learn."""

import json
import os
import subprocess
import tempfile
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.trained import REQUIREMENTS, made_by, python_with

from penstock_worker.compiler.contract import Job, Said

SOURCE = Path(__file__).parents[1] / "src"
CONVERTERS = (*REQUIREMENTS, "skl2onnx>=1.17", "onnx>=1.16", "onnxruntime>=1.18", "treelite>=4.3")
RUNTIMES = ("mlflow-skinny>=3", "pandas", "onnxruntime>=1.18", "treelite>=4.3")

TRAIN = """
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

    root, random = Path.cwd(), numpy.random.default_rng(0)
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

# Compiles one job after the other, in one process, for what all of them import takes longer than each of them.
COMPILE = """
    import sys
    from penstock_worker.compiler.__main__ import main

    for job in sys.argv[1:]:
        main(job)
"""

# Loads originals and their compiled versions side by side, and says how their answers compare, type and all.
COMPARE = """
    import sys
    import mlflow.pyfunc, numpy, pandas

    for one, other, rows in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
        original, compiled = mlflow.pyfunc.load_model(one), mlflow.pyfunc.load_model(other)
        data = pandas.read_json(rows, lines=True, precise_float=True).head(50)
        before, after = original.predict(data), compiled.predict(data)
        assert (before.dtype, before.shape) == (after.dtype, after.shape), (one, before.dtype, after.dtype)
        alike = (lambda a, b: numpy.allclose(a, b, atol=1e-5)) if before.dtype.kind == "f" else numpy.array_equal
        assert alike(before, after), one
        inner = compiled._model_impl
        assert numpy.array_equal(inner.predict_array(data.to_numpy(dtype=inner.array_dtype)), after), one
        assert alike(inner.predict_array(data.to_numpy(dtype="float64")), after), one
        assert inner.array_dtype in ("float32", "float64"), one
        assert compiled.metadata.signature == original.metadata.signature, one
        assert compiled.input_example.equals(original.input_example), one
"""

# Loads compiled versions where scikit-learn is not, and asks for the rows of a file and for one that lacks a number.
SERVE = """
    import json, sys
    import mlflow.pyfunc, pandas

    for model, rows in zip(sys.argv[1::2], sys.argv[2::2]):
        compiled = mlflow.pyfunc.load_model(model)
        data = pandas.read_json(rows, lines=True, precise_float=True).head(5)
        answers = compiled.predict(data).tolist()
        assert "sklearn" not in sys.modules
        row = data.head(1)
        row.loc[0, "b"] = float("nan")
        try:
            lacking = compiled.predict(row).tolist()
        except ValueError as error:
            lacking = str(error)
        print(json.dumps([answers, lacking]))
"""

# By what is compiled, how, and what is to come of it.
ALIKE = [
    ("pipeline", "auto", "onnx in float64"),
    ("likelihoods", "auto", "onnx in float64"),
    ("forest", "auto", "onnx in float32"),
    ("boosting", "auto", "onnx in float32"),
    ("boosting", "treelite", "treelite in float64"),
    ("price", "auto", "onnx in float32"),
]


@pytest.fixture(scope="module")
def models() -> Path:
    return made_by(textwrap.dedent(TRAIN), CONVERTERS)


@pytest.fixture(scope="module")
def compiled(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Job, Said]]:
    """Each job, and the last line of its report."""
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "short.csv").write_text("a,b\n1,2\n")
    short = str(folder / "short.csv")
    jobs = {f"{name} {form}": a_job(models, folder, name, format=form) for name, form, _ in ALIKE}
    jobs |= {name: a_job(models, folder, name) for name in ("towns", "spreading")}
    exact = {"data": str(models / "towns.jsonl"), "format": "onnx", "tolerance": 1e-12}
    jobs["exact price"] = a_job(models, folder, "price", **exact)
    jobs["short price"] = a_job(models, folder, "price", data=short)
    for name, job in jobs.items():
        (folder / name).write_text(job.text())
    python(CONVERTERS, COMPILE, *(folder / name for name in jobs))
    return {name: (job, Said.read(Path(job.report).read_text().splitlines()[-1])) for name, job in jobs.items()}


def a_job(models: Path, folder: Path, name: str, **more: Any) -> Job:
    place = Path(tempfile.mkdtemp(dir=folder))
    job = Job(
        model=str(models / name),
        data=str(models / f"{name}.jsonl"),
        output=str(place / name),
        report=str(place / "report"),
        name=f"{name}:1",
        format="auto",
        tolerance=1e-5,
        rows=500,
        memory_bytes=2**32,
    )
    return replace(job, **more)


def python(requirements: tuple[str, ...], script: str, *arguments: object) -> str:
    """What a script says that runs with `requirements`."""
    done = subprocess.run(
        [python_with(requirements), "-W", "ignore", "-c", textwrap.dedent(script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def outcome(said: Said) -> Mapping[str, Any]:
    assert said.outcome is not None, said
    return said.outcome


@pytest.mark.parametrize(("name", "form", "attempt"), ALIKE)
def test_a_model_is_compiled_to_the_format_that_answers_alike(
    compiled: Mapping[str, tuple[Job, Said]], name: str, form: str, attempt: str
) -> None:
    found = outcome(compiled[f"{name} {form}"][1])
    assert (found["attempt"], found["rows"], found["differing"]) == (attempt, 500, 0)
    assert {(timing["rows"], timing["call"]) for timing in found["timings"]} == {
        (rows, call) for rows in (1, 64) for call in ("model", "pyfunc")
    }


def test_compiled_models_answer_with_the_same_types_and_values(compiled: Mapping[str, tuple[Job, Said]]) -> None:
    jobs = [compiled[f"{name} {form}"][0] for name, form, _ in ALIKE]
    python(CONVERTERS, COMPARE, *(path for job in jobs for path in (job.model, job.output, job.data)))


def test_they_are_served_without_scikit_learn_and_refuse_what_the_original_refuses(
    compiled: Mapping[str, tuple[Job, Said]],
) -> None:
    towns, said = compiled["towns"]
    assert outcome(said)["differing"] == 0
    required = (Path(towns.output) / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in required] == ["mlflow-skinny", "numpy", "pandas", "onnxruntime"]
    pipeline = compiled["pipeline auto"][0]
    told = python(RUNTIMES, SERVE, towns.output, towns.data, pipeline.output, pipeline.data)
    (labels, imputed), (_, refused) = map(json.loads, told.splitlines())
    assert set(labels) <= {"good", "bad"}
    assert imputed[0] in ("good", "bad")
    assert refused == "row 0: column 'b' is missing (NaN), which the model does not take"


def test_what_cannot_be_compiled_is_named(compiled: Mapping[str, tuple[Job, Said]]) -> None:
    said = compiled["spreading"][1]
    assert (said.failed, said.reason) == (True, "NotConvertible")
    assert "there is no converter to onnx for LabelSpreading" in said.message
    found = outcome(compiled["exact price"][1])
    assert found["differing"] > 400
    assert [row["difference"] > 1e-12 for row in found["worst"]] == [True] * 10
    said = compiled["short price"][1]
    assert said.message == "short.csv lacks columns of the model's signature: 'c', 'd', 'count'"

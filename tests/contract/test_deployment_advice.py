"""What is said of a deployment when it is applied, before anything is built."""

import hashlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from support.deploying import NAME, Bench

from penstock.domain.artifact import Entry, Tree
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.errors import Code, PenstockError
from penstock.domain.fields import parse

MLMODEL = """
flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl, python_version: 3.8.10}
  sklearn: {sklearn_version: 0.23.2, serialization_format: cloudpickle}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def apply(bench: Bench, requirements: str) -> list[str]:
    """Apply an MLflow model with these requirements; returns what is said of it."""
    files = {"MLmodel": MLMODEL, "model.pkl": "x", "requirements.txt": requirements}
    entries = []
    for path, text in files.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        bench.artifacts.put_blob(digest, [text.encode()])
        entries.append(Entry(path=f"model/{path}", sha256=digest, size=len(text)))
    path = f"artifact:{bench.artifacts.put_tree(Tree(entries=tuple(entries)))}/model"
    spec: dict[str, Any] = {"model": {"path": path}}
    bench.deployments.apply("fraud", "blue", parse(OnlineDeployment, spec, "test"), actor="test")
    return list(bench.deployments.notices(bench.resources.get(ONLINE_DEPLOYMENT, NAME).spec))


def test_a_model_that_no_environment_here_can_unpickle_is_refused_before_anything_is_built(bench: Bench) -> None:
    with pytest.raises(PenstockError, match=r"scikit-learn 0\.23\.2 runs on Python 3\.6 to 3\.8") as caught:
        apply(bench, "scikit-learn==0.23.2\n")
    assert caught.value.code is Code.INVALID
    assert bench.environments.ensured == []
    assert bench.resources.find(ONLINE_DEPLOYMENT, NAME) is None


def test_what_may_not_load_and_what_is_of_no_use_are_told_and_deployed(bench: Bench) -> None:
    said = " ".join(apply(bench, "scikit-learn==1.5.2\npytest==8.0.0\n"))
    assert "saved with scikit-learn 0.23.2 and would be loaded with 1.5.2" in said
    assert "pytest" in said

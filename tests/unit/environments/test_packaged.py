"""The environment of an MLflow model is found in its own files."""

import pytest

from penstock.domain.errors import PenstockError
from penstock.environments.packaged import requirements_of

MLMODEL = """
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    python_version: 3.10.13
"""
PYTHON_ENV = """
python: 3.10
build_dependencies: [pip==24, setuptools]
dependencies:
- -r requirements.txt
"""
CONDA = """
channels: [conda-forge]
dependencies:
- python=3.9.5
- pip<=23
- pip: [mlflow==2.9.2, "azureml-defaults"]
"""


def read(**files: str):
    content = {name.replace("_DOT_", "."): text.encode() for name, text in files.items()}
    return requirements_of(content.get)


def test_the_python_env_is_preferred_and_its_version_is_text():
    found = read(
        MLmodel=MLMODEL, python_env_DOT_yaml=PYTHON_ENV, requirements_DOT_txt="six==1.16\n", conda_DOT_yaml=CONDA
    )
    assert (found.python, found.packages) == ("3.10", ("six==1.16",))


def test_the_conda_file_serves_where_there_is_no_python_env():
    found = read(MLmodel=MLMODEL, conda_DOT_yaml=CONDA)
    assert (found.python, found.packages) == ("3.9.5", ("mlflow==2.9.2",))
    assert "azureml-defaults is left out" in found.notices[0]


def test_requirements_alone_take_the_version_of_the_model_file():
    found = read(MLmodel=MLMODEL, requirements_DOT_txt="six")
    assert (found.python, found.packages) == ("3.10.13", ("six",))


def test_old_models_name_their_conda_file_alone():
    model = "flavors: {python_function: {env: environment.yml}}"
    assert read(MLmodel=model, environment_DOT_yml=CONDA).python == "3.9.5"


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({}, "no MLmodel file"),
        ({"MLmodel": "flavors: {sklearn: {}}"}, "no python_function flavor"),
        ({"MLmodel": "- a"}, "not a mapping"),
        ({"MLmodel": "a: ["}, "not YAML"),
        ({"MLmodel": MLMODEL}, "names no environment"),
        ({"MLmodel": MLMODEL, "python_env_DOT_yaml": PYTHON_ENV}, "names 'requirements.txt', which is not"),
        ({"MLmodel": MLMODEL, "python_env_DOT_yaml": "dependencies: six"}, "not a list"),
        ({"MLmodel": MLMODEL, "requirements_DOT_txt": "-e ."}, "not installed from folders"),
    ],
)
def test_models_that_cannot_be_read_say_what_is_wrong(files, fault):
    with pytest.raises(PenstockError, match=fault):
        read(**files)


def test_files_that_are_not_text_are_refused():
    with pytest.raises(PenstockError, match="not UTF-8"):
        requirements_of({"MLmodel": b"\xff\xfe"}.get)

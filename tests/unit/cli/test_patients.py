"""What `environment doctor -f` understands: everything that says which packages a model needs."""

import pytest

from penstock.cli.patients import read_patient
from penstock.domain.errors import PenstockError

CONDA = "dependencies: [python=3.10, {pip: [six]}]\n"
FILES = {
    "requirements.txt": "six==1.17  # why\n",
    "conda.yml": f"name: x\n{CONDA}",
    "env.yml": "name: e\nconda_file: conda.yml\n",
    "model/MLmodel": "flavors: {}\n",
    "model/conda.yaml": CONDA,
    "model/python_env.yaml": "python: 3.10.2\nbuild_dependencies: [pip]\n",
    "model/model.pkl": "\0",
    "plain.pkl": "\0",
    "python_env.yaml": "python: 3.10.2\nbuild_dependencies: [pip]\ndependencies: [six]\n",
    "endpoint.yml": "name: fraud\nauth_mode: key\n",
    "other.yml": "endpoint_name: fraud\nmodel: azureml:fraud:3\n",
    "inline.yml": "endpoint_name: fraud\nmodel: {path: plain.pkl}\nenvironment: {requirements: requirements.txt}\n",
    "named.yml": "endpoint_name: fraud\nenvironment: azureml:sk@latest\n",
    "mlflow.yml": "endpoint_name: fraud\nmodel: {path: model, type: mlflow_model}\n",
    "many.yml": "a: 1\n---\nb: 2\n",
    "lines.yml": "- six\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patients")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_files_that_list_packages_are_environments(folder):
    assert read_patient(folder / "requirements.txt").environment.requirements == ("six==1.17",)
    conda = {"dependencies": ["python=3.10", {"pip": ["six"]}]}
    assert read_patient(folder / "conda.yml").environment.conda_file == {"name": "x", **conda}
    assert read_patient(folder / "env.yml").environment.conda_file == {"name": "x", **conda}


@pytest.mark.parametrize("name", ["model", "model/MLmodel", "model/python_env.yaml", "mlflow.yml"])
def test_an_mlflow_model_comes_with_its_small_files(folder, name):
    files = read_patient(folder / name).model_files
    assert sorted(files) == ["MLmodel", "conda.yaml", "python_env.yaml"]
    assert files["conda.yaml"] == CONDA


def test_a_deployment_means_its_environment_and_its_model(folder):
    assert read_patient(folder / "other.yml").model == "azureml:fraud:3"
    assert read_patient(folder / "named.yml").environment == "azureml:sk@latest"
    inline = read_patient(folder / "inline.yml")
    assert (inline.environment.requirements, inline.model, inline.model_files) == (("six==1.17",), None, {})


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("endpoint.yml", "holds an online-endpoint"),
        ("python_env.yaml", "give the model's folder"),
        ("many.yml", "does not hold one YAML mapping"),
        ("lines.yml", "does not hold one YAML mapping"),
        ("plain.pkl", "requirements"),
        (".", "no MLmodel file"),
        ("none.txt", "there is no file"),
    ],
)
def test_what_says_nothing_of_packages_is_refused(folder, name, fault):
    with pytest.raises(PenstockError, match=fault):
        read_patient(folder / name)

"""Curated names: those of Azure's samples are known, and users may add their own."""

import pytest

from penstock.domain.errors import PenstockError
from penstock.environments.curated import curated_requirements, short_name


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("sklearn-1.5", "sklearn-1.5"),
        ("azureml:sklearn-1.5@latest", "sklearn-1.5"),
        ("azureml:sklearn-1.5:7", "sklearn-1.5"),
        ("AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", "sklearn-1.0-ubuntu20.04-py38-cpu"),
        ("azureml://registries/azureml/environments/sklearn-1.5/labels/latest", "sklearn-1.5"),
        ("azureml://registries/azureml/environments/AzureML-Foo/versions/9", "foo"),
        ("azureml://registries/azureml/models/x/versions/1", ""),
        ("mcr.microsoft.com/azureml/curated/sklearn-1.5:12", "sklearn-1.5"),
        ("host:5000/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest", "minimal-ubuntu22.04-py39-cpu-inference"),
        ("host/openmpi4.1.0-ubuntu20.04@sha256:ab", "openmpi4.1.0-ubuntu20.04"),
    ],
)
def test_names_are_compared_by_their_telling_part(name, short):
    assert short_name(name) == short


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("azureml://registries/azureml/environments/sklearn-1.5/labels/latest", "scikit-learn<1.6,>=1.5"),
        ("AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest", 'scikit-learn<1.1,>=1.0; python_version < "3.11"'),
        ("AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu", "lightgbm<4,>=3.2"),
        ("mcr.microsoft.com/azureml/mlflow-ubuntu20.04-py38-cpu-inference:latest", "mlflow>=2.9"),
        ("AzureML-acpt-pytorch-1.13-py38-cuda11.7-gpu", "torch<3,>=2.0"),
        ("AzureML-tensorflow-2.12-cuda11", "tensorflow<3,>=2.12"),
    ],
)
def test_names_of_azures_samples_are_known(tmp_path, name, package):
    found = curated_requirements(tmp_path / "curated.yml", name)
    assert found is not None
    assert package in found.packages


def test_minimal_images_bring_nothing(tmp_path):
    image = "mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:latest"
    found = curated_requirements(tmp_path / "curated.yml", image)
    assert found is not None
    assert found.packages == ()


def test_the_file_is_made_once_and_the_users_own_entries_count_first(tmp_path):
    file = tmp_path / "home" / "curated.yml"
    assert curated_requirements(file, "mine") is None
    assert file.stat().st_mode & 0o077 == 0
    file.write_text('mine: {packages: [six]}\n"sklearn-*": {python: "3.12", packages: []}\n')
    assert curated_requirements(file, "AzureML-Mine").packages == ("six",)
    assert curated_requirements(file, "sklearn-1.5").python == "3.12"
    assert curated_requirements(file, "minimal-py39-inference") is not None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "is not YAML"),
        ("- a", "expected names"),
        ("x: {pakages: [six]}", "did you mean 'packages'"),
        ("x: {packages: ['-e .']}", "not installed from folders"),
    ],
)
def test_faults_in_the_file_are_named(tmp_path, text, fault):
    file = tmp_path / "curated.yml"
    file.write_text(text)
    with pytest.raises(PenstockError, match=fault) as caught:
        curated_requirements(file, "x")
    assert "curated.yml" in caught.value.message

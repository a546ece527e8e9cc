"""Conda files: the Python version and pip section count, other packages are refused by name."""

import pytest

from penstock.domain.errors import PenstockError
from penstock.environments.conda import read_conda


def read(*dependencies: object):
    return read_conda({"name": "n", "channels": ["conda-forge"], "dependencies": list(dependencies)}, "conda_file")


@pytest.mark.parametrize(
    ("written", "python"),
    [
        ("python", None),
        ("python=3.10", "3.10"),
        ("python==3.10.4", "3.10.4"),
        ("python=3.10.*", "3.10"),
        ("python 3.8", "3.8"),
        ("python=3.9=h12debd9_1", "3.9"),
        ("conda-forge::python=3.11", "3.11"),
        ("python>=3.9", ">=3.9"),
        ("python >= 3.9, <3.12", ">= 3.9,<3.12"),
        ("python<=3.11", "<=3.11"),
    ],
)
def test_python_versions_are_read(written, python):
    assert read(written).python == python


@pytest.mark.parametrize("written", ["python=3.8|3.9", "python=three", "python>=3.9 or so"])
def test_python_versions_that_are_not_understood_are_refused(written):
    with pytest.raises(PenstockError, match=r"python version .* is not understood"):
        read(written)


def test_the_pip_section_is_taken_and_pip_itself_ignored():
    found = read("python=3.10", "pip=21.2.4", {"pip": ["azureml-defaults==1.38", "joblib==1.0.1"]})
    assert found.packages == ("joblib==1.0.1",)
    assert found.notices[0].startswith("conda_file, pip section: azureml-defaults is left out")


def test_conda_packages_are_refused_all_at_once_with_lines_for_pip():
    with pytest.raises(PenstockError) as caught:
        read("python=3.8", "numpy=1.21.2", "conda-forge::scipy>=1.7", "libgomp", {"pip": ["six"]})
    assert "numpy=1.21.2, conda-forge::scipy>=1.7, libgomp;" in caught.value.message
    assert "numpy==1.21.2, scipy>=1.7, libgomp" in caught.value.message


@pytest.mark.parametrize(
    ("conda", "fault"),
    [
        ({"dependencies": "python"}, "expected a list, got str"),
        ({"dependencies": [{"pip": "six"}]}, "pip section: expected a list"),
        ({"dependencies": [{"npm": ["left-pad"]}]}, "'npm'"),
        ({"dependencies": ["!!"]}, "not a conda package"),
        ({"dependencies": [{"pip": ["-r requirements.txt"]}]}, "write its lines here"),
    ],
)
def test_files_that_are_no_conda_files_are_refused(conda, fault):
    with pytest.raises(PenstockError, match=fault):
        read_conda(conda, "conda_file")


def test_a_file_without_dependencies_asks_for_nothing():
    assert read_conda({"name": "empty"}, "conda_file").packages == ()

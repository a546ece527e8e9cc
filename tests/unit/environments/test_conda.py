"""Conda files: Python's version, the pip section and what pip has too count; other packages are refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

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


def test_conda_packages_that_pip_has_not_are_refused_all_at_once():
    with pytest.raises(PenstockError) as caught:
        read("python=3.8", "libgomp", "scipy=1.7", "conda-forge::cudatoolkit=11.1", {"pip": ["six"]})
    assert "cannot be installed: libgomp, conda-forge::cudatoolkit=11.1; move" in caught.value.message
    assert "(libgomp, cudatoolkit==11.1.*)" in caught.value.message


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("numpy", "numpy"),
        ("numpy=1.21", "numpy==1.21.*"),
        ("numpy=1.21.2=py38_0", "numpy==1.21.2"),
        ("numpy==1.21.2", "numpy==1.21.2"),
        ("numpy 1.21.2 py38_0", "numpy==1.21.2"),
        ("numpy=1.21.*", "numpy==1.21.*"),
        ("numpy >= 1.20", "numpy>=1.20"),
        ("numpy *", "numpy"),
        ("conda-forge::scikit-learn=0.24.2", "scikit-learn==0.24.2.*"),
        ("pytorch::pytorch=1.12", "torch==1.12.*"),
        ("typing_extensions", "typing-extensions"),
    ],
)
def test_conda_packages_that_are_the_same_in_pips_index_are_taken_from_there(written, line):
    found = read("python=3.8", written)
    assert found.packages == (line,)
    assert found.notices == (f"conda_file: conda packages are taken from pip's package index: {written} as {line}",)


@pytest.mark.parametrize("written", ["numpy=1.21|1.22", "numpy=three", "numpy>=1.20 or so"])
def test_versions_that_pip_has_no_words_for_are_refused(written):
    with pytest.raises(PenstockError, match="these conda packages cannot be installed"):
        read(written)


def test_what_the_pip_section_says_of_a_package_wins():
    found = read("numpy=1.21", "pandas=1.3", {"pip": ["numpy==1.22.0"]})
    assert found.packages == ("pandas==1.3.*", "numpy==1.22.0")


@given(st.text(max_size=30))
def test_any_version_is_translated_to_one_that_pip_knows_or_refused(version):
    try:
        packages = read(f"numpy{version}").packages
    except PenstockError:
        return
    assert [Requirement(line).name for line in packages] in ([], ["numpy"])


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

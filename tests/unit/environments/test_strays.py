"""Requirements that a served model has no use for are named, and kept."""

import pytest

from penstock.environments.lines import read_lines
from penstock.environments.strays import strays


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("pytest", "pytest is for tests"),
        ("pytest-xdist", "is for tests"),
        ("ipykernel", "is for notebooks"),
        ("jupyter-client", "is for notebooks"),
        ("pip", "is for installing packages"),
        ("azureml-core", "older SDK"),
        ("azureml-mlflow", "older SDK"),
    ],
)
def test_stray_packages_are_named_with_what_they_are_for(name, part):
    (sentence,) = strays([name])
    assert sentence.startswith(name)
    assert part in sentence


@pytest.mark.parametrize("name", ["psutil", "mlflow", "azureml-ai-monitoring", "inference-schema", "setuptools"])
def test_what_a_served_model_may_need_is_not(name):
    assert strays([name]) == []


def test_those_of_one_kind_share_a_sentence_and_the_pins_are_kept():
    found = read_lines(["pytest==8.1", "numpy", "hypothesis", "black"], "requirements.txt")
    assert found.packages == ("pytest==8.1", "numpy", "hypothesis", "black")
    assert found.notices == (
        "requirements.txt: pytest, hypothesis are for tests: leave out what the model does not import",
        "requirements.txt: black is for checking code: leave out what the model does not import",
    )

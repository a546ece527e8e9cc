"""Which part of an environment decides what is installed."""

import pytest

from penstock.domain.environment import BuildContext, Environment, InferenceConfig, Requirements, Route
from penstock.domain.errors import PenstockError
from penstock.environments.reading import is_container, read_environment

IMAGE = "mcr.microsoft.com/azureml/sklearn-1.5:1"
ROUTE = Route(port=1, path="/")
ROUTES = InferenceConfig(liveness_route=ROUTE, readiness_route=ROUTE, scoring_route=ROUTE)


def read(**fields):
    known = {IMAGE: Requirements(packages=("scikit-learn",))}
    return read_environment(Environment(name="env", **fields), known.get)


def test_a_conda_file_decides_and_the_image_is_not_used():
    found = read(image="any/image:1", conda_file={"dependencies": ["python=3.10", {"pip": ["six"]}]})
    assert (found.python, found.packages) == ("3.10", ("six",))
    assert found.notices == (
        "environment 'env': image 'any/image:1' is not used; the model runs in a Python environment of its own",
    )


def test_requirements_stand_alone_or_add_to_the_conda_file():
    assert read(requirements=("six",)).packages == ("six",)
    assert read(requirements=()).packages == ()
    both = read(requirements=("six", "attrs"), conda_file={"dependencies": [{"pip": ["six"]}]})
    assert both.packages == ("six", "attrs")


def test_a_curated_image_alone_brings_its_packages():
    found = read(image=IMAGE)
    assert found.packages == ("scikit-learn",)
    assert IMAGE in found.notices[0]


@pytest.mark.parametrize(
    ("fields", "container"),
    [
        pytest.param({"image": "mine:1"}, True, id="an image that nobody knows"),
        pytest.param({"build": BuildContext(path=".")}, True, id="a Dockerfile"),
        pytest.param({"image": IMAGE, "inference_config": ROUTES}, True, id="an image with a server of its own"),
        pytest.param({"image": IMAGE}, False, id="a curated image"),
        pytest.param({"image": "mine:1", "conda_file": {}}, False, id="an image with packages"),
        pytest.param({"requirements": ()}, False, id="packages alone"),
    ],
)
def test_an_environment_is_a_container_if_its_image_says_more_than_packages_do(fields, container):
    assert is_container(Environment(**fields), {IMAGE: Requirements()}.get) is container


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, "'env' does not say what to install"),
        ({"image": "mine:1", "build": BuildContext(path=".")}, "image or build, not both"),
        ({"build": BuildContext(path="."), "requirements": ()}, "build is for a container"),
        ({"inference_config": ROUTES, "requirements": ()}, "inference_config is for a container"),
        ({"conda_file": "conda.yml"}, "'conda.yml' is a path"),
        ({"requirements": "r.txt"}, "'r.txt' is a path"),
        ({"os_type": "windows", "requirements": ()}, "use linux"),
    ],
)
def test_what_cannot_be_had_is_refused(fields, fault):
    with pytest.raises(PenstockError, match=fault):
        read(**fields)

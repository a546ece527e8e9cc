"""Azure's places for code and models in a container, its ports, and what its deployment may ask for."""

from pathlib import Path

import pytest

from penstock.domain.artifact import ArtifactReference, Entry, Tree
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.environment import BuildContext, Environment, InferenceConfig, Requirements, Route
from penstock.domain.errors import PenstockError
from penstock.engines.base import Mount
from penstock.online.containers import container_variables, mounts_of, ports_of, whereabouts_of
from penstock.online.whereabouts import Question
from penstock.preparation.placed_images import placed_image
from penstock.preparation.revisions import Ingredients, PlacedCode, PlacedModel

ROUTES = InferenceConfig(
    liveness_route=Route(port=8080, path="/ping"),
    readiness_route=Route(port=8081, path="/ping"),
    scoring_route=Route(port=8080, path="/predictions/fraud"),
)
MODEL = PlacedModel(digest="m", basename="weights", name="fraud", version="7", mlflow=False)
CODE = PlacedCode(digest="c", basename="code", scoring_script="sub/score.py")
TREE = Tree(entries=(Entry(path="image/docker/Dockerfile", sha256="0" * 64, size=1),))
CONTEXT = ArtifactReference("a" * 64, "image"), TREE


def an_image(environment: Environment | None = None, **spec: object):
    return placed_image(OnlineDeployment(model="m", **spec), environment or Environment(image="i"), None)  # type: ignore[arg-type]


def ingredients(**changes: object) -> Ingredients:
    parts = {"model": MODEL, "code": CODE, "environment_variables": {"A": "1"}, "memory_bytes": None} | changes
    return Ingredients(requirements=Requirements(), image=an_image(), **parts)  # type: ignore[arg-type]


def test_code_and_model_lie_where_azure_has_them_and_cannot_be_changed() -> None:
    app, shared = Path("/home/apps/x"), Path("/home/run/s")
    assert mounts_of(app, ingredients(), an_image(), shared, Path("/home/run/c/contracts.json")) == (
        Mount(source=shared, target="/var/penstock", read_only=False),
        Mount(source=app / "azureml-models/fraud/7", target="/var/azureml-app/azureml-models/fraud/7"),
        Mount(source=app / "code/code", target="/var/azureml-app/code"),
        Mount(source=Path("/home/run/c"), target="/var/penstock-contracts"),
    )
    assert container_variables(ingredients(), an_image(), "0.0.0.0:5001") == {
        "A": "1",
        "PYTHONUNBUFFERED": "1",
        "PENSTOCK_LISTEN": "0.0.0.0:5001",
        "PENSTOCK_REPORT": "/var/penstock/report.json",
        "PENSTOCK_MEASURES": "/var/penstock/sums",
        "PENSTOCK_CONTRACT": "/var/penstock-contracts/contracts.json",
        "AML_APP_ROOT": "/var/azureml-app/code/sub",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/fraud/7",
    }


def test_a_model_is_mounted_where_the_deployment_says() -> None:
    image = an_image(model_mount_path="/models/")
    parts = ingredients(code=None, model=MODEL.model_copy(update={"mlflow": True}))
    assert mounts_of(Path("/a"), parts, image, Path("/s"), Path("/run/c/contracts.json"))[1].target == "/models"
    variables = container_variables(parts, image, "")
    assert (variables["AZUREML_MODEL_DIR"], variables["PENSTOCK_MLFLOW_MODEL"]) == ("/models", "/models/weights")


def test_every_port_is_reached_at_a_port_of_this_host() -> None:
    assert ports_of(ROUTES) == (8080, 8081)
    found = whereabouts_of(ROUTES, {8080: 40001, 8081: 40002})
    assert found.address == "127.0.0.1:40001"
    assert found.liveness == Question(address="127.0.0.1:40001", path="/ping")
    assert found.readiness == Question(address="127.0.0.1:40002", path="/ping")


def test_limits_are_read_as_kubernetes_writes_them() -> None:
    limits = {"limits": {"cpu": "500m", "nvidia.com/gpu": 2}}
    image = an_image(resources=limits)
    assert (image.cpus, image.gpus) == (0.5, 2)
    assert (an_image().cpus, an_image().gpus) == (None, 0)


def test_what_is_built_is_known_by_its_files_and_dockerfile() -> None:
    def built(dockerfile: str):
        environment = Environment(build=BuildContext(path="x", dockerfile_path=dockerfile))
        return placed_image(OnlineDeployment(model="m"), environment, CONTEXT)

    image = built("./docker/Dockerfile")
    assert (image.context, image.folder, image.dockerfile) == ("a" * 64, "image", "docker/Dockerfile")
    assert image.fingerprint != an_image().fingerprint
    for path in ("Dockerfile", "../Dockerfile", "/docker/Dockerfile"):
        with pytest.raises(PenstockError, match="not in the build context"):
            built(path)


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"model_mount_path": "models"}, "absolute path"),
        ({"model_mount_path": "/"}, "absolute path"),
        ({"model_mount_path": "/x/../proc/1"}, "absolute path"),
        ({"environment_variables": {"A": "two\nlines"}}, "line break"),
        ({"resources": {"limits": {"cpu": "much"}}}, "cpu 'much'"),
        ({"resources": {"limits": {"nvidia.com/gpu": "0.5"}}}, "whole number"),
    ],
)
def test_what_no_container_can_be_given_is_refused(spec: dict[str, object], fault: str) -> None:
    with pytest.raises(PenstockError, match=fault):
        an_image(**spec)


def test_another_image_is_another_revision() -> None:
    other = an_image(Environment(image="j"))
    assert ingredients().revision() == ingredients().revision()
    assert ingredients().model_copy(update={"image": other}).revision() != ingredients().revision()

"""What a target, a name and a flavor mean."""

import pytest

from penstock.domain.errors import PenstockError
from penstock.mlflow_deployments.target import Place, check_flavor, place, platform_url


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("penstock://host:8700", "http://host:8700"),
        ("penstock://[::1]:8700/", "http://[::1]:8700"),
        ("penstock", None),
        ("penstock:/", None),
        ("penstock://", None),
    ],
)
def test_a_target_names_a_platform(target: str, url: str | None) -> None:
    assert platform_url(target) == url


@pytest.mark.parametrize("target", ["penstock://h/path", "penstock://me:secret@h", "penstock:///x", "penstock://h?x=1"])
def test_other_targets_are_refused(target: str) -> None:
    with pytest.raises(PenstockError):
        platform_url(target)


@pytest.mark.parametrize(
    ("name", "endpoint", "found", "listed"),
    [
        ("blue", "fraud", Place("fraud", "blue"), "fraud/blue"),
        ("fraud/blue", None, Place("fraud", "blue"), "fraud/blue"),
        ("fraud/blue", "fraud", Place("fraud", "blue"), "fraud/blue"),
        ("fraud", None, Place("fraud", "fraud"), "fraud"),
    ],
)
def test_every_deployment_has_an_endpoint(name: str, endpoint: str | None, found: Place, listed: str) -> None:
    assert place(name, endpoint) == found
    assert found.name == listed
    assert place(listed, None) == found


def test_models_are_served_in_one_way() -> None:
    assert check_flavor(None) == check_flavor("python_function") == "python_function"
    with pytest.raises(PenstockError, match="sklearn"):
        check_flavor("sklearn")

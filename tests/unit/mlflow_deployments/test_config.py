"""What `-C NAME=VALUE` means."""

import pytest

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse
from penstock.mlflow_deployments.config import deployment_config, endpoint_config, merged, nested


def test_names_with_dots_reach_into_fields() -> None:
    config = {
        "instance_count": "2",
        "request_settings.request_timeout_ms": "9000",
        "environment_variables.LEVEL": "007",
        "tags": '{"team": "risk"}',
    }
    wanted = deployment_config(config)
    spec = parse(OnlineDeployment, {"model": "azureml:m:1", **wanted.fields}, "test")
    assert (spec.instance_count, spec.request_settings.request_timeout_ms) == (2, 9000)
    assert (spec.environment_variables, spec.tags) == ({"LEVEL": "007"}, {"team": "risk"})


@pytest.mark.parametrize("written", ["10", "10%", 10])
def test_traffic_and_endpoint_are_no_fields_of_the_deployment(written: object) -> None:
    wanted = deployment_config({"traffic": written, "endpoint": "fraud"})
    assert (wanted.fields, wanted.traffic, wanted.endpoint) == ({}, 10, "fraud")


def test_without_a_config_nothing_is_wanted() -> None:
    wanted = deployment_config(None)
    assert (wanted.fields, wanted.traffic, wanted.endpoint) == ({}, None, None)


@pytest.mark.parametrize("written", ["blue=90 green=10", "blue=90%,green=10", {"blue": 90, "green": "10"}])
def test_an_endpoints_traffic_is_written_as_on_our_own_command_line(written: object) -> None:
    assert endpoint_config({"traffic": written, "tags.a": "b"}) == {
        "traffic": {"blue": 90, "green": 10},
        "tags": {"a": "b"},
    }


@pytest.mark.parametrize(
    "config",
    [
        {"traffic": "101"},
        {"traffic": "ten"},
        {"": "1"},
        {"a..b": "1"},
        {"a": "1", "a.b": "2"},
        {"tags": "{broken"},
        {"tags": "[" * 100_000},
        {".".join("abcdefghijkl"): "1"},
    ],
    ids=["too much", "no number", "no name", "a gap", "a field in a value", "no JSON", "endless JSON", "too deep"],
)
def test_what_is_not_understood_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(PenstockError):
        deployment_config(config)


@pytest.mark.parametrize("written", ["blue", "=5", "90"])
def test_traffic_without_deployments_is_refused(written: str) -> None:
    with pytest.raises(PenstockError):
        endpoint_config({"traffic": written})


def test_changes_keep_what_they_do_not_name() -> None:
    assert merged({"tags": {"a": "1"}, "x": 1}, nested({"tags.b": "2", "x": 3})) == {
        "tags": {"a": "1", "b": "2"},
        "x": 3,
    }

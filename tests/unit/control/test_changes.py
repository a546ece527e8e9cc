"""What events may say of a change, and what they must not."""

from typing import Any

import pytest

from penstock.control.changes import masked, sentence
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.diff import Difference, differences


def a_deployment(**fields: Any) -> OnlineDeployment:
    return OnlineDeployment.model_validate({"model": "azureml:m:1", **fields})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"instance_count": 3}, "instance_count: 1 -> 3", id="a number is shown"),
        pytest.param({"description": "new"}, "description: (none) -> new", id="a text is shown"),
        pytest.param(
            {"environment_variables": {"A.B": "hunter2"}}, "environment_variables.A.B", id="a variable is only named"
        ),
        pytest.param({"tags": {"api_key": "hunter2"}}, "tags.api_key", id="so is a field that sounds secret"),
        pytest.param({"properties": {"x": "hunter2"}}, "properties.x", id="and a property"),
        pytest.param(
            {"environment": {"requirements": ["--index-url https://u:hunter2@host/"]}},
            "environment",
            id="and an environment, whose lines may hold credentials",
        ),
        pytest.param({"model": "https://host/m?sv=1&sig=hunter2"}, "model", id="and a signed URL"),
        pytest.param(
            {"data_collector": {"collections": {"hunter2": {"enabled": True}}}},
            "data_collector",
            id="and a mapping of any content",
        ),
        pytest.param(
            {"model": {"path": "m", "tags": {"password": "hunter2"}}}, "model", id="and a secret deep in what is new"
        ),
    ],
)
def test_values_that_may_be_secret_are_left_out(fields: dict[str, Any], said: str) -> None:
    assert sentence(differences(a_deployment(), a_deployment(**fields))) == said


def test_a_sentence_stays_short_however_much_changed() -> None:
    many = [Difference(f"tags.t{number}", None, "x" * 10_000) for number in range(5000)]
    said = sentence(many)
    assert len(said) < 2000
    assert said.endswith(", and 4990 more")


def test_values_that_sound_secret_are_hidden_from_plans() -> None:
    fields = {"DB_PASSWORD": "x", "MODE": "fast", "INDEX": "https://me:pw@host/simple", "N": 3}
    assert masked("environment_variables", fields) == {
        "DB_PASSWORD": "(hidden)",
        "MODE": "fast",
        "INDEX": "(hidden)",
        "N": 3,
    }
    assert masked("API_KEY", None) is None

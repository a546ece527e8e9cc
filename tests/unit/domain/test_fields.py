"""What users are told of the fields that they wrote."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"modle": "x"}, "unknown field 'modle' (did you mean 'model'?)", id="a slip of the pen"),
        pytest.param(
            {"model": "m", "request_settings": {"request_timeout": 1}},
            "unknown field 'request_settings.request_timeout' (did you mean 'request_timeout_ms'?)",
            id="a slip inside another field",
        ),
        pytest.param(
            {"model": {"pth": "x"}}, "unknown field 'model.pth' (did you mean 'path'?)", id="a slip in an inline model"
        ),
        pytest.param({"model": {}}, "field 'model.path' is required", id="what is missing"),
        pytest.param({"model": "m", "instance_count": "many"}, "field 'instance_count'", id="a wrong type"),
        pytest.param({"model": "m", "description": "\ud800"}, "'description' holds text", id="half a character"),
        pytest.param({"model": "m", "tags": {"a": "\0"}}, "'tags.a' holds text", id="a NUL character"),
        pytest.param([], "expected fields", id="not fields at all"),
    ],
)
def test_a_fault_is_named_with_its_field(fields: Any, said: str) -> None:
    with pytest.raises(PenstockError) as caught:
        parse(OnlineDeployment, fields, "blue.yml")
    assert said in caught.value.message
    assert caught.value.message.startswith("blue.yml: ")


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(PenstockError) as caught:
        parse(OnlineDeployment, {"model": "m", "instance_count": 0, "colour": 1}, "blue.yml")
    assert "instance_count" in caught.value.message
    assert "colour" in caught.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KNOWN = st.sampled_from([*OnlineDeployment.model_fields, "other"])


@settings(max_examples=40)
@given(st.dictionaries(KNOWN, JSON, max_size=4))
def test_whatever_is_sent_is_a_deployment_or_refused(fields: dict[str, Any]) -> None:
    try:
        spec = parse(OnlineDeployment, fields, "blue.yml")
    except PenstockError:
        return
    spec.model_dump_json().encode()
    assert OnlineDeployment.model_validate_json(spec.model_dump_json()) == spec

"""Where users say that a model is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.errors import Code, PenstockError
from penstock.registry.places import LoggedModel, Registered, RunOutput, parse_place

RUN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"runs:/{RUN}/model", RunOutput(RUN, "model")),
        (f"runs:/{RUN}/some/deep/model/", RunOutput(RUN, "some/deep/model")),
        (f"azureml://jobs/{RUN}/outputs/artifacts/paths/model/", RunOutput(RUN, "model")),
        (f"azureml://subscriptions/s/workspaces/w/jobs/{RUN}/outputs/artifacts/paths/m", RunOutput(RUN, "m")),
        (f"models:/m-{RUN}", LoggedModel(f"m-{RUN}")),
        ("models:/fraud/3", Registered("fraud", "3")),
        ("models:/fraud/latest", Registered("fraud")),
        ("models:/fraud@champion", Registered("fraud", alias="champion")),
        ("models:/fraud", Registered("fraud")),
    ],
)
def test_each_form_is_understood(text, place):
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text", ["", "runs:/abc", "runs:/abc/../x", "runs:/abc/a\\b", "s3://bucket/x", "models:/", "/tmp"]
)
def test_other_texts_are_refused_with_the_forms(text):
    with pytest.raises(PenstockError, match="runs:/RUN/PATH") as caught:
        parse_place(text)
    assert caught.value.code is Code.INVALID


@given(st.sampled_from(["runs:/r1/", "azureml://jobs/r1/outputs/artifacts/paths/"]), st.text(max_size=30))
def test_no_text_leads_out_of_its_run(prefix, tail):
    try:
        place = parse_place(prefix + tail)
    except PenstockError:
        return
    assert isinstance(place, RunOutput)
    assert ".." not in place.path.split("/")

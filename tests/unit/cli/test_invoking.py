"""What the flags of `batch-endpoint invoke` come to."""

import os
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.edits import Sets
from penstock.cli.invoking import Data, Overrides, invocation_fields
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse
from penstock.domain.invocation import Invocation


def asked(data: Data, overrides: Overrides | None = None, sets: list[str] | None = None) -> dict[str, Any]:
    """What is sent for these flags, as far as it is no default; known to be sound."""
    fields = invocation_fields(data, overrides or Overrides(), Sets(sets))
    return parse(Invocation, fields, "flags").model_dump(mode="json", exclude_defaults=True)


def test_a_single_input_gets_the_name_that_azure_gives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert asked(Data(input="data")) == {"inputs": {"UriFolder": {"path": f"{tmp_path}/data"}}}
    assert asked(Data(input="~/data"))["inputs"]["UriFolder"]["path"] == os.path.expanduser("~/data")
    assert asked(Data(input="*.csv", input_type="uri_file"))["inputs"]["UriFolder"]["path"] == f"{tmp_path}/*.csv"


@pytest.mark.parametrize("place", ["azureml:heart:1", "azureml://datastores/d/paths/p", "s3://b/p", "https://h/p.csv"])
def test_places_elsewhere_are_the_platforms_to_judge(place: str) -> None:
    assert asked(Data(input=place))["inputs"]["UriFolder"]["path"] == place


@pytest.mark.parametrize(
    "words",
    [
        ["a=/x", "b.path=/y", "b.type=uri_file"],
        ['{"a": "/x", "b": {"path": "/y", "type": "uri_file", "mode": "ro_mount"}}'],
    ],
)
def test_several_inputs_are_named(words: list[str]) -> None:
    assert asked(Data(inputs=words))["inputs"] == {"a": {"path": "/x"}, "b": {"path": "/y", "type": "uri_file"}}


def test_a_file_says_inputs_and_outputs_as_azure_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "inputs.yml"
    file.write_text(
        "inputs:\n  heart:\n    type: uri_folder\n    path: data\n"
        "outputs:\n  score:\n    type: uri_file\n    path: out/heart.csv\n    mode: rw_mount\n"
        "experiment_name: heart\n"
    )
    assert asked(Data(file=file), Overrides(experiment_name="other")) == {
        "inputs": {"heart": {"path": f"{tmp_path}/data"}},
        "output_path": f"{tmp_path}/out",
        "output_file_name": "heart.csv",
        "experiment_name": "other",
    }


def test_azures_overrides_are_known_by_flag_and_by_path() -> None:
    found = asked(
        Data(input="/x", output_path="s3://b/out"),
        Overrides(mini_batch_size=4, instance_count=2, deployment_name="second", since="last", dry_run=True),
        ["output_file_name=scores.csv", "settings.error_threshold=3", 'output.keep_columns=["id"]', "tags.team=risk"],
    )
    del found["inputs"]
    assert found == {
        "output_path": "s3://b/out",
        "mini_batch_size": 4,
        "instance_count": 2,
        "deployment_name": "second",
        "since": "last",
        "dry_run": True,
        "tags": {"team": "risk"},
        "overrides": {
            "output_file_name": "scores.csv",
            "settings.error_threshold": 3,
            "output.keep_columns": ["id"],
        },
    }


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (Data(inputs=["=x"]), "write NAME=PATH"),
        (Data(inputs=["cases.pth=x"]), "'cases.pth=x' is not understood: write NAME=PATH, NAME.path=PATH"),
        (Data(inputs=["{x"]), "begins like JSON"),
        (Data(inputs=["a.type=uri_folder"]), "'inputs.a.path' is required"),
        (Data(input="x", outputs=["a=1", "b=2"]), "scoring has one output"),
    ],
)
def test_what_makes_no_sense_is_named(data: Data, part: str) -> None:
    with pytest.raises(PenstockError) as error:
        asked(data)
    assert part in error.value.message

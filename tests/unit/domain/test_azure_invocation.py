"""Invocations in the form of Azure's REST API."""

from typing import Any

import pytest

from penstock.domain.azure_invocation import azure_invocation
from penstock.domain.errors import PenstockError

FOLDER = {"UriFolder": {"JobInputType": "UriFolder", "Uri": "azureml://datastores/d/paths/p"}}


def invoked(properties: dict[str, Any], deployment: str | None = None) -> dict[str, Any]:
    return azure_invocation({"properties": properties}, deployment).model_dump(exclude_defaults=True)


def test_what_the_documentation_shows_is_understood() -> None:
    assert invoked({"InputData": FOLDER}, "second") == {
        "deployment_name": "second",
        "inputs": {"UriFolder": {"path": "azureml://datastores/d/paths/p"}},
    }


def test_names_may_be_in_camel_case_as_the_client_library_writes_them() -> None:
    found = invoked(
        {
            "inputData": {"x": {"jobInputType": "uri_file", "uri": "s3://b/f.csv", "mode": None}},
            "outputData": {"score": {"jobOutputType": "UriFile", "uri": "s3://b/out/scores.csv"}},
            "miniBatchSize": 5,
            "errorThreshold": 3,
            "retrySettings": {"maxRetries": 1, "timeout": "PT1M30S"},
            "resources": {"instanceCount": 2},
            "displayName": "Nightly",
            "name": "nightly",
            "provisioningState": None,
        }
    )
    assert found == {
        "job_name": "nightly",
        "display_name": "Nightly",
        "inputs": {"x": {"type": "uri_file", "path": "s3://b/f.csv"}},
        "output_path": "s3://b/out",
        "output_file_name": "scores.csv",
        "overrides": {
            "mini_batch_size": 5,
            "error_threshold": 3,
            "retry_settings.max_retries": 1,
            "retry_settings.timeout": 90,
            "instance_count": 2,
        },
    }


@pytest.mark.parametrize(
    ("dataset", "path"),
    [
        ({"dataInputType": "DataUrl", "Path": "https://host/data"}, "https://host/data"),
        ({"dataInputType": "DatasetVersion", "datasetName": "heart", "datasetVersion": "2"}, "azureml:heart:2"),
        (
            {"Path": "/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/data/heart/versions/1"},
            "azureml:heart:1",
        ),
    ],
)
def test_the_form_of_the_first_clients_is_understood(dataset: dict[str, str], path: str) -> None:
    assert invoked({"dataset": dataset})["inputs"] == {"UriFolder": {"path": path}}


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "properties is missing"),
        ({"InputData": FOLDER}, "properties is missing"),
        ({"properties": {"OutputData": {}}}, "InputData is missing"),
        ({"properties": {"InputData": {"x": {"JobInputType": "Literal", "Value": 3}}}}, "inputs of pipelines"),
        ({"properties": {"InputData": {"x": {"JobInputType": "UriFile"}}}}, "InputData.x: give its Uri"),
        ({"properties": {"InputData": {"x": {"JobInputType": "Uri", "Uri": "s3://b"}}}}, "JobInputType 'Uri'"),
        ({"properties": {"InputData": FOLDER, "MiniBatchSise": 3}}, "did you mean 'MiniBatchSize'?"),
        ({"properties": {"InputData": FOLDER, "inputdata": FOLDER}}, "given twice"),
        (
            {"properties": {"InputData": FOLDER, "OutputData": {"a": {"Uri": "s3://a"}, "b": {"Uri": "s3://b"}}}},
            "scoring has one output",
        ),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], part: str) -> None:
    with pytest.raises(PenstockError) as error:
        azure_invocation(body, None)
    assert part in error.value.message

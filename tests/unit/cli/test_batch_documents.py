"""Azure's batch files as users have them, in both layouts, and the order in which they are applied."""

from pathlib import Path

import pytest

from penstock.cli.documents import Document, DocumentKind, read_all, read_one, recognised
from penstock.cli.sequence import sequenced
from penstock.cli.sources import inlined, local_paths
from penstock.domain.batch_deployment import BatchDeployment, OutputAction, ignored_fields
from penstock.domain.batch_endpoint import BatchEndpoint
from penstock.domain.compute import Compute
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse

_SCHEMA = "https://azuremlschemas.azureedge.net/latest"

WITH_SETTINGS = f"""
$schema: {_SCHEMA}/modelBatchDeployment.schema.json
name: torch
endpoint_name: digits
description: Digits with a network of its own.
type: model
model: {{path: model}}
code_configuration:
  code: code
  scoring_script: batch_driver.py
environment:
  name: torch-env
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest
  conda_file: env/conda.yaml
compute: azureml:batch-cluster
resources:
  instance_count: 1
settings:
  max_concurrency_per_instance: 2
  mini_batch_size: 10
  output_action: append_row
  output_file_name: scores.csv
  retry_settings:
    max_retries: 3
    timeout: 30
  error_threshold: -1
  logging_level: info
"""
AT_THE_ROOT = f"""
$schema: {_SCHEMA}/batchDeployment.schema.json
name: torch
endpoint_name: digits
description: Digits with a network of its own.
model: {{path: model}}
code_configuration: {{code: code, scoring_script: batch_driver.py}}
environment:
  name: torch-env
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest
  conda_file: env/conda.yaml
compute: azureml:batch-cluster
resources: {{instance_count: 1}}
max_concurrency_per_instance: 2
mini_batch_size: 10
output_action: append_row
output_file_name: scores.csv
retry_settings: {{max_retries: 3, timeout: 30}}
error_threshold: -1
logging_level: info
"""
ENDPOINT = f"""
$schema: {_SCHEMA}/batchEndpoint.schema.json
name: digits
description: Handwritten digits.
auth_mode: aad_token
tags: {{type: deep-learning}}
defaults: {{deployment_name: torch}}
"""
COMPUTE = f"""
$schema: {_SCHEMA}/amlCompute.schema.json
name: batch-cluster
type: amlcompute
size: STANDARD_DS3_v2
min_instances: 0
max_instances: 2
idle_time_before_scale_down: 120
tier: low_priority
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("model", "code", "env"):
        (tmp_path / name).mkdir()
    (tmp_path / "code" / "batch_driver.py").write_text("def init(): ...\ndef run(mini_batch): ...\n")
    (tmp_path / "env" / "conda.yaml").write_text("dependencies: [python=3.11, {pip: [torch]}]")
    for name, text in (("a-deployment.yml", WITH_SETTINGS), ("endpoint.yml", ENDPOINT), ("compute.yml", COMPUTE)):
        (tmp_path / name).write_text(text)
    return tmp_path


def spec_of(document: Document) -> BatchDeployment:
    return parse(BatchDeployment, inlined(document).fields, document.source)


def test_both_layouts_of_a_deployment_say_the_same(folder: Path) -> None:
    document = read_one(folder / "a-deployment.yml", DocumentKind.BATCH_DEPLOYMENT)
    older = folder / "older.yml"
    older.write_text(AT_THE_ROOT)
    spec = spec_of(document)
    assert spec.model_dump() == spec_of(read_one(older, DocumentKind.BATCH_DEPLOYMENT)).model_dump()
    assert (spec.settings.workers, spec.settings.output_file_name) == (2, "scores.csv")
    assert spec.settings.output_action is OutputAction.APPEND_ROW
    assert ignored_fields(spec) == ()
    assert set(local_paths(inlined(document))) == {("model", "path"), ("code_configuration", "code")}


def test_files_are_applied_so_that_each_finds_what_it_names(folder: Path) -> None:
    plan = sequenced(read_all([folder]))
    assert [document.text("name") for document in plan.computes] == ["batch-cluster"]
    assert [dict(document.fields).get("defaults") for document in plan.batch_endpoints] == [None]
    assert [document.fields["defaults"] for document in plan.batch_defaults] == [{"deployment_name": "torch"}]
    kinds = [document.kind for document in plan.documents]
    assert kinds == [DocumentKind.COMPUTE, DocumentKind.BATCH_ENDPOINT, DocumentKind.BATCH_DEPLOYMENT]
    assert "defaults" in plan.documents[1].fields


def test_an_endpoint_alone_keeps_its_default_in_its_place(folder: Path) -> None:
    plan = sequenced(read_all([folder / "endpoint.yml"]))
    assert plan.batch_defaults == ()
    assert parse(BatchEndpoint, plan.batch_endpoints[0].fields, "x").defaults.deployment_name == "torch"


def test_a_compute_is_as_azure_writes_it(folder: Path) -> None:
    spec = parse(Compute, read_one(folder / "compute.yml", DocumentKind.COMPUTE).fields, "compute.yml")
    assert (spec.min_instances, spec.max_instances, spec.tier, spec.size) == (0, 2, "low_priority", "STANDARD_DS3_v2")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"name": "a", "type": "amlcompute", "max_instances": 2}, DocumentKind.COMPUTE),
        ({"name": "a", "endpoint_name": "b", "model": "m", "mini_batch_size": 3}, DocumentKind.BATCH_DEPLOYMENT),
        ({"name": "a", "endpoint_name": "b", "type": "model", "settings": {}}, DocumentKind.BATCH_DEPLOYMENT),
        ({"name": "a", "endpoint_name": "b", "model": "m", "output": {}}, DocumentKind.BATCH_DEPLOYMENT),
        ({"name": "a", "auth_mode": "aad_token", "defaults": {}}, DocumentKind.BATCH_ENDPOINT),
        ({"name": "a", "endpoint_name": "b", "model": "m"}, DocumentKind.DEPLOYMENT),
    ],
)
def test_without_a_schema_a_kind_is_known_by_its_fields(fields: dict[str, object], kind: DocumentKind) -> None:
    assert recognised(fields, "f.yml") is kind


def test_deployments_of_pipelines_are_refused_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yml"
    file.write_text(
        f"$schema: {_SCHEMA}/pipelineComponentBatchDeployment.schema.json\nname: p\nendpoint_name: digits\n"
        "type: pipeline\ncomponent: azureml:hello:1\nsettings: {default_compute: batch-cluster}\n"
    )
    with pytest.raises(PenstockError, match="need pipeline jobs, which this version does not have yet"):
        spec_of(read_one(file, DocumentKind.BATCH_DEPLOYMENT))

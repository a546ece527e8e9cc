"""Data and the places it lies in: named once, and what opens them is told to nobody."""

import json
import stat
from collections.abc import Generator
from pathlib import Path

import pytest
from support.callers import an_api, write_yaml
from support.lakes import Lake
from support.object_stores import S3_KEY, S3_SECRET, an_s3
from support.running import Platform, a_platform, wait_until

from penstock.client.client import Client
from penstock.domain.data import Data
from penstock.domain.datastore import Credentials, Datastore, with_secrets
from penstock.domain.errors import PenstockError

SECRET, OTHER = "c2VjcmV0LW9mLXRoZS1sYWtl", "YW5vdGhlci1zZWNyZXQtb2Y="
LAKE = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/azureBlob.schema.json",
    "name": "lake",
    "type": "azure_blob",
    "account_name": "lakeaccount",
    "container_name": "sales",
    "credentials": {"account_key": SECRET},
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    with a_platform(tmp_path_factory.mktemp("data") / "home") as platform:
        yield platform


@pytest.fixture
def client(platform: Platform) -> Generator[Client]:
    with Client(platform.server["url"], (platform.home / "token").read_text().strip()) as client:
        yield client


def test_credentials_go_into_one_file_and_come_out_of_nothing(platform: Platform, tmp_path: Path) -> None:
    made = platform.run("datastore", "create", "-f", write_yaml(tmp_path / "lake.yml", LAKE), "-o", "json")
    changed = {**LAKE, "credentials": {"account_key": OTHER}}
    rotated = platform.run("datastore", "update", "-f", write_yaml(tmp_path / "other.yml", changed), "-o", "json")
    kept = platform.run("datastore", "update", "-n", "lake", "--set", "tags.owner=ann", "-o", "json")
    typed = platform.run("datastore", "update", "-n", "lake", "--set", f"credentials.account_key={SECRET}", check=False)
    moved = platform.run("datastore", "update", "-n", "lake", "--set", "endpoint=https://other.example", check=False)
    with an_api(platform) as api:
        answers = [api.get(path).text for path in ("datastores", "datastores/lake", "events")]

    assert "created" in made.stderr
    assert "updated" in rotated.stderr
    shown = json.loads(kept.stdout)
    assert (shown["credential_type"], shown["tags"], shown["container"]) == ("account_key", {"owner": "ann"}, "sales")
    assert "CredentialsChanged" in answers[2]
    assert "put them into the file" in typed.stderr
    assert "give its credentials again" in moved.stderr
    file = platform.home / "secrets" / "datastores" / "lake.json"
    assert json.loads(file.read_text())["credentials"] == {"account_key": OTHER}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = "".join([*answers, *(text for done in (made, rotated, kept, moved) for text in (done.stdout, done.stderr))])
    others = [path for path in platform.home.rglob("*") if path.is_file() and path != file]
    for secret in (SECRET, OTHER):
        assert secret not in told
        assert [path for path in others if secret.encode() in path.read_bytes()] == []


def test_a_datastore_that_is_used_stays_and_the_built_in_one_always_does(
    platform: Platform, client: Client, tmp_path: Path
) -> None:
    asset = {"name": "catch", "type": "uri_folder", "path": "azureml://datastores/pond/paths/2024"}
    files = write_yaml(tmp_path / "both.yml", asset, {**LAKE, "name": "pond"})

    planned = platform.run("plan", "-f", files, "-o", "table").stdout
    platform.run("apply", "-f", files)
    for name, why in (("pond", "used by data catch:1"), ("workspaceblobstore", "cannot be deleted")):
        with pytest.raises(PenstockError, match=why):
            client.datastores.delete(name)
    client.data.archive("catch", "1")
    platform.run("datastore", "delete", "-n", "pond", "--yes")

    assert "datastore pond: created" in planned
    assert "data catch: created" in planned
    names = [datastore.name for datastore in client.datastores.list()]
    assert "workspaceblobstore" in names
    assert "pond" not in names
    assert not (platform.home / "secrets" / "datastores" / "pond.json").exists()


def test_data_is_registered_where_it_lies(platform: Platform, client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    asset = write_yaml(tmp_path / "asset.yml", {"name": "sales", "type": "uri_folder", "path": "a"})

    first = platform.json("data", "create", "-f", asset)
    absent = Data(name="sales", path=str(tmp_path / "b"))
    with pytest.raises(PenstockError, match=r"b does not exist on the platform's machine"):
        client.data.create_or_update(absent)
    second = client.data.create_or_update(absent, skip_validation=True).resource
    platform.run("data", "archive", "-n", "sales", "--version", "2")

    assert (first["version"], first["path"]) == ("1", str(folder))
    assert second.name == "sales:2"
    assert client.data.get("sales").name == "sales:1"
    assert [each.name for each in client.data.list("sales", include_archived=True)] == ["sales:2", "sales:1"]


SCRIPT = """
import os

def init():
    pass

def run(mini_batch):
    return [f"{os.path.basename(path)}={open(path).read()}" for path in mini_batch]
"""


def test_a_job_reads_a_data_asset_in_a_bucket_and_leaves_its_output_there(
    platform: Platform, client: Client, tmp_path: Path
) -> None:
    with an_s3() as url:
        spec = Datastore(type="s3", bucket="lake", endpoint=url)
        lake = Lake(spec, tmp_path, Credentials(access_key_id=S3_KEY, secret_access_key=S3_SECRET))
        lake.files.mkdir("lake")
        for number in range(12):
            lake.put(f"in/{number:02d}.txt", b"%d" % (number * number))
        files = tmp_path / "files"
        for name, content in (("code/score.py", SCRIPT), ("model/model.txt", ""), ("requirements.txt", "")):
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            (files / name).write_text(content)
        write_yaml(
            files / "all.yml",
            {**with_secrets(lake.datastore.model_copy(update={"credentials": lake.credentials})), "name": "bucket"},
            {"name": "squares", "type": "uri_folder", "path": "azureml://datastores/bucket/paths/in"},
            {"$schema": "batchEndpoint.schema.json", "name": "far", "defaults": {"deployment_name": "one"}},
            {
                "$schema": "modelBatchDeployment.schema.json",
                "name": "one",
                "endpoint_name": "far",
                "model": {"path": "model"},
                "code_configuration": {"code": "code", "scoring_script": "score.py"},
                "environment": {"requirements": "requirements.txt"},
            },
        )
        platform.run("apply", "-f", files / "all.yml")
        out = "azureml://datastores/bucket/paths/out"
        platform.run("batch-endpoint", "invoke", "-n", "far", "--input", "azureml:squares:1", "--output-path", out)
        (job,) = client.jobs.list()
        wait_until(lambda: client.jobs.get(job.name).status.state.ended)

        assert client.jobs.get(job.name).status.message == ""
        rows = lake.content("out/predictions.csv").decode().split()
        assert rows == [f"{number:02d}.txt={number * number}" for number in range(12)]

        platform.run("batch-endpoint", "invoke", "-n", "far", "--input", "azureml:squares:1", "--output-path", out)
        (second,) = (each for each in client.jobs.list() if each.name != job.name)
        wait_until(lambda: client.jobs.get(second.name).status.state.ended)

        assert f"{out} holds predictions.csv already" in client.jobs.get(second.name).status.message
        assert lake.content("out/predictions.csv").decode().split() == rows

"""URIs of data, taken apart."""

import pytest

from penstock.domain.errors import PenstockError
from penstock.domain.names import AssetReference
from penstock.storage.uris import Below, Object, below_datastore, data_asset, is_local, local_path, object_of

LONG = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/lake/paths/a/b.csv"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/data/a b.csv", "/data/a b.csv"),
        ("file:///data/a%20b.csv", "/data/a b.csv"),
        ("file://localhost/data", "/data"),
        ("file:/data", "/data"),
        ("/data/c:/d", "/data/c:/d"),
    ],
)
def test_paths_of_this_machine(uri, path):
    assert is_local(uri)
    assert local_path(uri) == path


@pytest.mark.parametrize("uri", ["data/a.csv", "file:data", "file://elsewhere/data", "/a\0b", ""])
def test_paths_that_nobody_knows_the_beginning_of_are_refused(uri):
    with pytest.raises(PenstockError):
        local_path(uri)


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("s3://bucket/a/b", Object("s3", "bucket", "a/b")),
        ("S3://bucket", Object("s3", "bucket", "")),
        ("az://container/a", Object("abfs", "container", "a")),
        ("abfss://c@account.dfs.core.windows.net/a", Object("abfs", "c", "a", "account.dfs.core.windows.net")),
        ("gs://bucket/a", Object("gs", "bucket", "a")),
        ("https://example.com/a", None),
        (LONG, None),
        ("/s3://bucket", None),
    ],
)
def test_buckets_and_containers(uri, found):
    assert object_of(uri) == found


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("azureml://datastores/lake/paths/a/b.csv", Below("lake", "a/b.csv")),
        ("azureml://datastores/lake", Below("lake", "")),
        ("azureml://datastores/lake/paths/", Below("lake", "")),
        (LONG, Below("lake", "a/b.csv")),
        (LONG.replace("resourcegroups", "resourceGroups"), Below("lake", "a/b.csv")),
        ("s3://bucket/a", None),
    ],
)
def test_paths_below_datastores_in_both_of_azures_forms(uri, found):
    assert below_datastore(uri) == found


def test_a_form_that_is_not_understood_names_those_that_are():
    with pytest.raises(PenstockError, match="azureml://datastores/NAME/paths/PATH"):
        below_datastore("azureml://jobs/j/outputs/o")


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("azureml:sales:3", AssetReference("sales", "3")),
        ("azureml:sales@latest", AssetReference("sales", None, "latest")),
        ("azureml://locations/l/workspaces/w/data/sales/versions/3", AssetReference("sales", "3")),
        ("azureml://datastores/lake/paths/data/x/versions", None),
        ("/azureml:sales:3", None),
    ],
)
def test_data_assets_in_both_of_azures_forms(uri, found):
    assert data_asset(uri) == found

"""Datastores in the words of the drivers."""

import pytest

from penstock.domain.datastore import Credentials, Datastore
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse
from penstock.storage.connections import Connection, ambient, connection
from penstock.storage.uris import Below, Object

BLOB = {"type": "azure_blob", "account_name": "account", "container_name": "sales"}


def test_an_azure_account_in_its_cloud_and_at_an_address_of_its_own():
    key = Credentials(account_key="k")
    usual = connection(Datastore.model_validate(BLOB), key)
    china = connection(Datastore.model_validate({**BLOB, "endpoint": "core.chinacloudapi.cn"}), key)
    emulator = connection(Datastore.model_validate({**BLOB, "endpoint": "http://localhost:1/account"}), key)

    assert (usual.protocol, usual.root) == ("abfs", "sales")
    assert usual.options == {"account_name": "account", "account_key": "k", "anon": False}
    assert china.options["account_host"] == "account.blob.core.chinacloudapi.cn"
    assert emulator.options["connection_string"] == (
        "DefaultEndpointsProtocol=http;AccountName=account;AccountKey=k;BlobEndpoint=http://localhost:1/account"
    )


def test_a_bucket_of_an_s3_compatible_server():
    spec = Datastore(type="s3", bucket="lake", endpoint="https://s3.example/", region="eu-1")
    opened = connection(spec, Credentials(access_key_id="a", secret_access_key="b"))
    assert opened.options == {
        "key": "a",
        "secret": "b",
        "endpoint_url": "https://s3.example",
        "client_kwargs": {"region_name": "eu-1"},
    }
    assert "b" not in repr(opened).replace("lake", "").replace("Connection", "")[20:]


def test_without_a_datastore_the_uri_says_the_account():
    place = Object("abfs", "c", "a", "account.dfs.core.windows.net")
    assert ambient(place) == Connection("abfs", "c", {"account_name": "account"})
    assert ambient(Object("s3", "b", "k")) == Connection("s3", "b")


def test_no_path_leads_out_of_a_datastore():
    opened = connection(Datastore(type="local", path="/data"), None)
    assert opened.path(Below("lake", "a/b")) == "/data/a/b"
    with pytest.raises(PenstockError, match="leads out"):
        opened.path(Below("lake", "a/../../etc"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({**BLOB, "container_name": None}, "needs container_name"),
        ({**BLOB, "bucket": "abc"}, "has no bucket"),
        ({"type": "azure_file", "account_name": "a", "file_share_name": "f"}, "mount the share"),
        ({"type": "local", "path": "data"}, "path must be absolute"),
        ({**BLOB, "credentials": {"account_key": "k", "sas_token": "t"}}, "one kind of credentials"),
        ({**BLOB, "credentials": {"tenant_id": "t"}}, "tenant_id, client_id and client_secret"),
        ({**BLOB, "credentials": {"access_key_id": "a", "secret_access_key": "b"}}, "not access_key"),
        ({**BLOB, "endpoint": "https://a:b@example.com"}, "they belong under credentials"),
        ({**BLOB, "credentials": {"account_kee": "k"}}, "did you mean 'account_key'?"),
    ],
)
def test_faults_of_datastores_are_named_without_their_secrets(fields, words):
    with pytest.raises(PenstockError) as caught:
        parse(Datastore, fields, "lake.yml")
    assert words in caught.value.message


def test_credentials_are_neither_shown_nor_written_with_the_rest():
    spec = Datastore.model_validate({**BLOB, "credentials": {"account_key": "hidden-key"}})
    assert "hidden-key" not in repr(spec)
    assert "hidden-key" not in spec.model_dump_json()

"""What opens a bucket or container: a datastore's fields and credentials, in the words of the drivers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.domain.datastore import Credentials, Datastore
from penstock.domain.errors import invalid
from penstock.storage.uris import Below, Object

FILE = "file"

_EXTRAS = {"s3": "s3", "abfs": "azure", "gs": "gcs"}
_AZURE_HOST = "core.windows.net"


@dataclass(frozen=True)
class Connection:
    """`root` is a bucket, a container, or a folder of this machine (`file`). `options` are the driver's."""

    protocol: str
    root: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def path(self, below: Below) -> str:
        """The driver's word for a path below a datastore. Raises `invalid` for one that leads out of it."""
        if ".." in below.path.split("/"):
            raise invalid(f"{below} leads out of its datastore: leave out the '..'")
        return f"{self.root.rstrip('/')}/{below.path}" if below.path else self.root


def extra_of(protocol: str) -> str:
    """The extra of this distribution that brings the driver."""
    return _EXTRAS[protocol]


def ambient(place: Object) -> Connection:
    """Of a URI that names no datastore: with the credentials of the process's environment."""
    if place.protocol != "abfs" or not place.account:
        return Connection(place.protocol, place.container)
    account, _, host = place.account.partition(".")
    host = host.replace("dfs.", "blob.", 1)
    options = {"account_name": account}
    if host and host != f"blob.{_AZURE_HOST}":
        options["account_host"] = f"{account}.{host}"
    return Connection("abfs", place.container, options)


def connection(datastore: Datastore, credentials: Credentials | None) -> Connection:
    """Of a datastore; without credentials, those of the process's environment, or none if it is anonymous."""
    given = credentials or Credentials()
    match datastore.type:
        case "local":
            return Connection(FILE, datastore.path or "/")
        case "s3":
            return Connection("s3", datastore.container, _s3(datastore, given))
        case "gcs":
            return Connection("gs", datastore.container, _gcs(datastore, given))
        case _:
            return Connection("abfs", datastore.container, _azure(datastore, given))


def _s3(datastore: Datastore, given: Credentials) -> dict[str, Any]:
    return _present(
        key=given.access_key_id,
        secret=given.secret_access_key,
        token=given.session_token,
        endpoint_url=datastore.service_url,
        client_kwargs={"region_name": datastore.region} if datastore.region else None,
        anon=datastore.anonymous or None,
    )


def _gcs(datastore: Datastore, given: Credentials) -> dict[str, Any]:
    return _present(
        token="anon" if datastore.anonymous else given.service_account_key,
        project=datastore.project,
        endpoint_url=datastore.service_url,
    )


def _azure(datastore: Datastore, given: Credentials) -> dict[str, Any]:
    if datastore.service_url is not None and given.tenant_id is None:
        return {"connection_string": _connection_string(datastore, given), "anon": datastore.anonymous}
    return _present(
        account_name=datastore.account_name,
        account_key=given.account_key,
        sas_token=given.sas_token,
        tenant_id=given.tenant_id,
        client_id=given.client_id,
        client_secret=given.client_secret,
        account_host=None if datastore.endpoint in (None, _AZURE_HOST) else datastore.host,
        anon=datastore.anonymous,
    )


def _connection_string(datastore: Datastore, given: Credentials) -> str:
    """Of an account that is not at its usual host, as emulators are."""
    parts = _present(
        DefaultEndpointsProtocol=(datastore.service_url or "").partition(":")[0],
        AccountName=datastore.account_name,
        AccountKey=given.account_key,
        SharedAccessSignature=given.sas_token,
        BlobEndpoint=datastore.service_url,
    )
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _present(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}

"""Datastores: named places for data, and the credentials that open them."""

from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from penstock.domain.endpoint import texts
from penstock.domain.resource import Frozen, Kind, Status

BUILT_IN = "workspaceblobstore"  # Azure's name of the datastore that is always there; here a folder of the platform

DatastoreType = Literal["azure_blob", "azure_data_lake_gen2", "s3", "gcs", "local"]
CredentialType = Literal["account_key", "sas_token", "service_principal", "access_key", "service_account"]

_REFUSED = {
    "azure_file": "file shares are not reached by URI: mount the share, and make a datastore of `type: local` of it",
    "azure_data_lake_gen1": "Azure has retired Data Lake Gen1: move the data to Gen2",
    "one_lake": "OneLake is not supported: use azure_data_lake_gen2, or copy the data",
}
# Which fields say where the data is: those that a type must have, and those that it may have.
_FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "azure_blob": (("account_name", "container_name"), ("endpoint", "protocol")),
    "azure_data_lake_gen2": (("account_name", "filesystem"), ("endpoint", "protocol")),
    "s3": (("bucket",), ("endpoint", "region")),
    "gcs": (("bucket",), ("endpoint", "project")),
    "local": (("path",), ()),
}
_PLACES = tuple(dict.fromkeys(name for fields in _FIELDS.values() for group in fields for name in group))
_AZURE: tuple[CredentialType, ...] = ("account_key", "sas_token", "service_principal")
_CREDENTIALS: dict[str, tuple[CredentialType, ...]] = {
    "azure_blob": _AZURE,
    "azure_data_lake_gen2": _AZURE,
    "s3": ("access_key",),
    "gcs": ("service_account",),
    "local": (),
}
_AZURE_CLOUD = "core.windows.net"


def _secret() -> Any:
    return Field(default=None, min_length=1, max_length=20_000, repr=False)


class Credentials(Frozen):
    """What opens a datastore. They lie in a file of the home folder and nowhere else."""

    account_key: str | None = _secret()
    sas_token: str | None = _secret()
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = _secret()
    access_key_id: str | None = None
    secret_access_key: str | None = _secret()
    session_token: str | None = _secret()
    service_account_key: dict[str, Any] | None = Field(default=None, repr=False)

    # Accepted for Azure's sake, without effect here.
    resource_url: str | None = None
    authority_url: str | None = None

    @property
    def type(self) -> CredentialType | None:
        """Which they are; None for none. Raises ValueError for several, or for half of one."""
        groups: dict[CredentialType, tuple[object, ...]] = {
            "account_key": (self.account_key,),
            "sas_token": (self.sas_token,),
            "service_principal": (self.tenant_id, self.client_id, self.client_secret),
            "access_key": (self.access_key_id, self.secret_access_key),
            "service_account": (self.service_account_key,),
        }
        begun: list[CredentialType] = [name for name, values in groups.items() if any(values)]
        if len(begun) > 1:
            raise ValueError(f"give one kind of credentials, not {' and '.join(begun)}")
        if begun and not all(groups[begun[0]]):
            needs = "tenant_id, client_id and client_secret"
            raise ValueError(needs if begun[0] == "service_principal" else "access_key_id and secret_access_key")
        return begun[0] if begun else None


class Datastore(Frozen):
    """Azure's datastore YAML, and `type: s3`, `gcs` and `local` for what Azure has no word for.

    `endpoint` is Azure's cloud (`core.windows.net`), or the whole URL of a service: of the account for Azure's, of an
    S3-compatible server for `s3`. Without credentials, those of the platform's own environment are used;
    `anonymous` uses none at all.
    """

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    type: DatastoreType
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    account_name: str | None = Field(default=None, pattern=r"^[a-z0-9]{3,24}$")
    container_name: str | None = Field(default=None, pattern=r"^[$a-z0-9][a-z0-9-]{1,62}$")
    filesystem: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")
    bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]{1,254}$")
    path: str | None = Field(default=None, max_length=4000)
    endpoint: str | None = Field(default=None, max_length=2000)
    protocol: Literal["https", "http", "wasbs", "abfss"] | None = None
    region: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,64}$")
    project: str | None = Field(default=None, pattern=r"^[a-z0-9:.-]{1,64}$")
    anonymous: bool = False
    credential_type: CredentialType | None = None  # which kind is kept; the platform sets it
    credentials: Credentials | None = Field(default=None, exclude=True, repr=False)  # on their way to their file

    @field_validator("type", mode="before")
    @classmethod
    def _known_type(cls, value: Any) -> Any:
        """The client library of Azure also writes AzureBlob."""
        if not isinstance(value, str):
            return value
        word = {"azureblob": "azure_blob", "azuredatalakegen2": "azure_data_lake_gen2"}.get(value.lower(), value)
        if word in _REFUSED:
            raise ValueError(_REFUSED[word])
        return word

    @field_validator("tags", "properties", mode="before")
    @classmethod
    def _text_values(cls, value: Any) -> Any:
        return texts(value)

    @field_validator("credentials", mode="before")
    @classmethod
    def _absent_is_none(cls, value: Any) -> Any:
        return value or None

    @field_validator("endpoint")
    @classmethod
    def _a_service(cls, endpoint: str | None) -> str | None:
        if endpoint is None or "://" not in endpoint:
            return endpoint
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("give an http or https URL, without a query")
        if parts.username is not None or parts.password is not None:
            raise ValueError("leave user and password out of the URL: they belong under credentials")
        return endpoint.rstrip("/")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        needed, possible = _FIELDS[self.type]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a datastore of type {self.type} needs {' and '.join(missing)}")
        strange = [name for name in _PLACES if getattr(self, name) is not None and name not in (*needed, *possible)]
        if strange:
            raise ValueError(f"a datastore of type {self.type} has no {' and no '.join(strange)}")
        if self.type == "local" and not (self.path or "").startswith("/"):
            raise ValueError("path must be absolute: a folder of the platform's machine")
        kind = self.credentials.type if self.credentials else None
        if kind is not None and kind not in _CREDENTIALS[self.type]:
            can = ", ".join(_CREDENTIALS[self.type]) or "no credentials"
            raise ValueError(f"a datastore of type {self.type} takes {can}, not {kind}")
        if self.anonymous and kind is not None:
            raise ValueError("an anonymous datastore has no credentials")
        return self

    @property
    def container(self) -> str:
        """Bucket, container or file system; empty for local ones."""
        return self.bucket or self.container_name or self.filesystem or ""

    @property
    def service_url(self) -> str | None:
        """`endpoint` where it is a URL, else None."""
        return self.endpoint if self.endpoint and "://" in self.endpoint else None

    @property
    def host(self) -> str:
        """Of an Azure account in its cloud."""
        return f"{self.account_name}.blob.{self.endpoint or _AZURE_CLOUD}"


class DatastoreStatus(Status):
    pass


DATASTORE: Kind[Datastore, DatastoreStatus] = Kind("datastore", Datastore, DatastoreStatus)


def with_secrets(datastore: Datastore) -> dict[str, Any]:
    """The fields of a datastore with its credentials, to be sent to the platform over its own connection."""
    fields = datastore.model_dump(mode="json")
    if datastore.credentials is not None:
        fields["credentials"] = datastore.credentials.model_dump(mode="json", exclude_none=True)
    return fields

"""URIs of data as users write them, taken apart. Pure.

Paths and `file://` are of this machine. `s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/BLOB`,
`abfs(s)://CONTAINER@ACCOUNT.HOST/BLOB` and `http(s)://...` are of others. `azureml://datastores/NAME/paths/PATH` is
below a datastore, `azureml:NAME:VERSION` is a data asset; both also in Azure's long forms.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from penstock.domain.errors import invalid
from penstock.domain.names import AssetReference, parse_asset_reference

OBJECTS = ("s3", "abfs", "gs")  # protocols of buckets and containers
WEB = ("http", "https")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SAME = {
    "abfss": "abfs",
    "az": "abfs",
    "wasb": "abfs",
    "wasbs": "abfs",
    "s3a": "s3",
    "gcs": "gs",
}  # other words for one protocol
_WORKSPACE = r"(?:subscriptions/[^/]+/resource[gG]roups/[^/]+/(?:providers/Microsoft\.MachineLearningServices/)?)"
_DATASTORE = re.compile(
    rf"azureml://{_WORKSPACE}?(?:workspaces/[^/]+/)?datastores/(?P<name>[^/]+)(?:/paths/?(?P<path>.*))?\Z"
)
_DATA = re.compile(r"azureml://(?:[^/]+/)*data/(?P<name>[^/]+)/versions/(?P<version>[^/]+)\Z")
_FORMS = "write azureml://datastores/NAME/paths/PATH, or azureml:NAME:VERSION for a data asset"


@dataclass(frozen=True)
class Below:
    """A path in a datastore, without a slash at its beginning."""

    datastore: str
    path: str

    def __str__(self) -> str:
        return f"azureml://datastores/{self.datastore}/paths/{self.path}"


@dataclass(frozen=True)
class Object:
    """A key in a bucket or container. `account` is an Azure account with its host, empty where the URI has none."""

    protocol: str
    container: str
    key: str
    account: str = ""

    def __str__(self) -> str:
        account = f"@{self.account}" if self.account else ""
        return f"{self.protocol}://{self.container}{account}/{self.key}"


def is_local(uri: str) -> bool:
    """True for paths of this machine, and for `file://`."""
    scheme = scheme_of(uri)
    return scheme == "file" or (scheme == "" and not uri.startswith("azureml:"))


def local_path(uri: str) -> str:
    """The absolute path that a local URI means; raises `invalid` for a relative one, and for other machines' files."""
    path = uri
    if scheme_of(uri) == "file":
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            raise invalid(f"{uri} names a file of the machine {parts.netloc}: files of this one are file:///PATH")
        path = unquote(uri.partition("://")[2].removeprefix("localhost"))
    elif uri.startswith("file:"):
        path = unquote(uri.removeprefix("file:"))
    if "\0" in path or not path.startswith("/"):
        raise invalid(f"{ascii(uri)[1:-1]} is not an absolute path: the platform cannot know where it starts")
    return path


def scheme_of(uri: str) -> str:
    """In lower case; empty for paths, and for `azureml:NAME:VERSION`."""
    if uri.startswith("file:"):
        return "file" if uri.startswith("file://") else ""
    found = _SCHEME.match(uri)
    return found.group(1).lower() if found else ""


def object_of(uri: str) -> Object | None:
    """The object or prefix in a bucket that a URI names; None for URIs of other sorts. Raises `invalid` without one."""
    protocol = _SAME.get(scheme_of(uri), scheme_of(uri))
    if protocol not in OBJECTS:
        return None
    authority, _, key = uri.partition("://")[2].partition("/")
    container, _, account = authority.partition("@")
    if not container:
        raise invalid(f"{uri} names no bucket or container: write {protocol}://BUCKET/PATH")
    return Object(protocol, container, key, account)


def below_datastore(uri: str) -> Below | None:
    """The path in a datastore that a URI names; None for URIs of other sorts.

    Raises `invalid` for `azureml://` URIs that are not understood.
    """
    found = _DATASTORE.match(uri)
    if found is not None:
        return Below(found["name"], (found["path"] or "").lstrip("/"))
    if scheme_of(uri) == "azureml" and _DATA.match(uri) is None:
        raise invalid(f"{uri} is not understood: {_FORMS}")
    return None


def data_asset(uri: str) -> AssetReference | None:
    """The data asset that a URI names; None for URIs of other sorts."""
    found = _DATA.match(uri)
    if found is not None:
        return AssetReference(found["name"], found["version"])
    if not uri.startswith("azureml:") or uri.startswith("azureml://"):
        return None
    return parse_asset_reference("data", uri)


def joined(uri: str, name: str) -> str:
    """`name` below the folder `uri`."""
    return f"{uri.rstrip('/')}/{name}"

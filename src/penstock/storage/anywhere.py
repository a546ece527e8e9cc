"""Data wherever it lies: paths of this machine, buckets and containers, web servers, and what the platform has names
for."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from penstock.domain.data import Data
from penstock.domain.errors import Code, PenstockError, invalid, not_found
from penstock.domain.names import AssetReference
from penstock.storage.base import StoredFile
from penstock.storage.connections import FILE, Connection, ambient
from penstock.storage.local import LocalStorage
from penstock.storage.objects import Info, Objects
from penstock.storage.patterns import Pattern, split
from penstock.storage.uris import (
    WEB,
    Below,
    below_datastore,
    data_asset,
    is_local,
    joined,
    local_path,
    object_of,
    scheme_of,
)
from penstock.storage.web import Web, name_of

Connect = Callable[[str], Connection]  # what opens the datastore of that name; raises `not_found`
Asset = Callable[[AssetReference], Data]  # raises `not_found`


class Anywhere:
    """See `Storage`. Files below a datastore of another machine keep it in their URI, so that it is known later with
    which credentials they are read."""

    def __init__(self, connect: Connect, asset: Asset) -> None:
        self._connect = connect
        self._asset = asset
        self._here = LocalStorage()

    def list(self, uri: str, kind: str) -> Sequence[StoredFile]:
        reference = data_asset(uri)
        if reference is not None:
            found = self._asset(reference)
            return self.list(found.path, found.type)
        here = self.local_path(uri)
        if here is not None:
            return self._here.list(str(here), kind)
        if scheme_of(uri) in WEB:
            info = self._web.info(uri)
            return [StoredFile(uri=uri, name=name_of(uri), size=info.size, version=info.version)]
        place = self.place(uri)
        return _listed(uri, place, kind)

    def local_path(self, uri: str) -> Path | None:
        reference = data_asset(uri)
        if reference is not None:
            return self.local_path(self._asset(reference).path)
        if is_local(uri):
            return Path(local_path(uri))
        below = below_datastore(uri)
        if below is not None:
            connection = self._connect(below.datastore)
            return Path(connection.path(below)) if connection.protocol == FILE else None
        if object_of(uri) is None and scheme_of(uri) not in WEB:
            raise invalid(
                f"{uri}: nothing here reads {scheme_of(uri)}://; give a path, or s3://, abfs://, az://, gs://, "
                "http(s)://, azureml://datastores/NAME/paths/PATH"
            )
        return None

    def place(self, uri: str) -> "Place":
        """The bucket or container, and the path in it, that a URI of neither this machine nor a web server names."""
        return place_of(uri, self._connect)

    @cached_property
    def _web(self) -> Web:
        return Web()


class Place:
    """A path in a bucket or container that is open. `prefix` and a path are the URI of an object."""

    def __init__(self, connection: Connection, path: str, prefix: str) -> None:
        self.objects = Objects(connection)
        self.path = path
        self.is_root = path == connection.root
        self._root = connection.root
        self._prefix = prefix

    def uri(self, path: str) -> str:
        """Of an object of this bucket, by the driver's word for it."""
        return joined(self._prefix, path.removeprefix(self._root).lstrip("/"))


def place_of(uri: str, connect: Connect) -> Place:
    """Open the bucket or container that a URI names; raises `invalid` for URIs of other sorts."""
    below = below_datastore(uri)
    if below is not None:
        connection = connect(below.datastore)
        path = connection.path(Below(below.datastore, below.path.rstrip("/")))
        return Place(connection, path, f"azureml://datastores/{below.datastore}/paths")
    found = object_of(uri)
    if found is None:
        raise invalid(f"{uri} is not in a bucket or container: write s3://, abfs://, az://, gs:// or azureml://")
    connection = ambient(found)
    key = found.key.rstrip("/")
    account = f"@{found.account}" if found.account else ""
    prefix = f"{found.protocol}://{found.container}{account}"
    return Place(connection, f"{found.container}/{key}" if key else found.container, prefix)


def _listed(uri: str, place: Place, kind: str) -> Sequence[StoredFile]:
    folder, glob = split(place.path)
    if not glob and not place.is_root:
        info = place.objects.info(place.path)
        if not info.folder:
            return [_stored(place, info, info.path.rpartition("/")[2])]
    if not glob and kind == "uri_file":
        raise invalid(f"{uri} is a folder: give the type uri_folder")
    pattern = Pattern(glob, deep=kind != "uri_file")
    files = sorted(_taken(place, folder, pattern), key=lambda file: file.name.encode(errors="surrogateescape"))
    if glob and not files:
        raise not_found(f"{uri} matches no file; names that begin with '.' or '_' are passed over")
    if not files and place.is_root:
        _check_there(uri, place)
    return files


def _taken(place: Place, folder: str, pattern: Pattern) -> Iterator[StoredFile]:
    for info in place.objects.below(folder):
        name = info.path.removeprefix(folder).lstrip("/")
        if not info.folder and name and not name.endswith("/") and pattern.takes(name):
            yield _stored(place, info, name)


def _stored(place: Place, info: Info, name: str) -> StoredFile:
    return StoredFile(uri=place.uri(info.path), name=name, size=info.size, version=info.version)


def _check_there(uri: str, place: Place) -> None:
    """An empty bucket is an empty list; some drivers take one that is missing for empty."""
    try:
        place.objects.info(place.path)
    except PenstockError as err:
        if err.code is Code.NOT_FOUND:
            raise not_found(f"{uri} does not exist: there is no such bucket or container") from err
        raise

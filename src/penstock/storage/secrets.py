"""The credentials of datastores, in the clear: a file per datastore that only its owner may read."""

import json
from pathlib import Path

from penstock import durable
from penstock.domain.datastore import Credentials
from penstock.domain.resource import Frozen


class _Stored(Frozen):
    """`uid` is the datastore's, so that a new one of an old name is not opened with the old credentials."""

    uid: str
    credentials: Credentials


class DatastoreSecrets:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str, uid: str) -> Credentials | None:
        try:
            stored = _Stored.model_validate_json(self._path(name).read_bytes())
        except FileNotFoundError:
            return None
        return stored.credentials if stored.uid == uid else None

    def put(self, name: str, uid: str, credentials: Credentials) -> None:
        """Keep the credentials, on the disk before this returns."""
        for folder in (self.folder.parent, self.folder):  # `parents` would leave the outer one open to others
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {"uid": uid, "credentials": credentials.model_dump(exclude_none=True)}
        durable.replace(self._path(name), json.dumps(content).encode())

    def forget(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

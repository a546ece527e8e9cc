"""The keys of endpoints, in the clear: a file per endpoint that only its owner may read. Hashes go everywhere else."""

import hashlib
import json
import secrets
from pathlib import Path
from typing import Literal

from penstock import durable
from penstock.domain.endpoint import KeyHashes
from penstock.domain.resource import Frozen

KeyType = Literal["primary", "secondary"]

_KEY_BYTES = 32


class EndpointKeys(Frozen):
    """`uid` is the endpoint's, so that a new one of an old name gets new keys; `request` is the last rotation's id."""

    uid: str
    primary: str
    secondary: str
    request: str | None = None

    def hashes(self) -> KeyHashes:
        return KeyHashes(primary=_hash(self.primary), secondary=_hash(self.secondary))


class Keyring:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure(self, endpoint: str, uid: str) -> EndpointKeys:
        """The endpoint's keys, made now if it has none."""
        keys = self._read(endpoint)
        if keys is None or keys.uid != uid:
            keys = EndpointKeys(uid=uid, primary=_new_key(), secondary=_new_key())
            self._write(endpoint, keys)
        return keys

    def regenerate(self, endpoint: str, uid: str, which: KeyType, request: str) -> EndpointKeys:
        """Replace one key. Repeating a request changes nothing; the other key goes on being valid."""
        keys = self.ensure(endpoint, uid)
        if keys.request == request:
            return keys
        keys = keys.model_copy(update={which: _new_key(), "request": request})
        self._write(endpoint, keys)
        return keys

    def forget(self, endpoint: str) -> None:
        self._path(endpoint).unlink(missing_ok=True)

    def _read(self, endpoint: str) -> EndpointKeys | None:
        try:
            return EndpointKeys.model_validate_json(self._path(endpoint).read_bytes())
        except FileNotFoundError:
            return None

    def _write(self, endpoint: str, keys: EndpointKeys) -> None:
        """Replace the file in one step, on the disk before anybody is told of the keys."""
        for folder in (self._folder.parent, self._folder):  # `parents` would leave the outer one open to others
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.replace(self._path(endpoint), json.dumps(keys.model_dump()).encode())

    def _path(self, endpoint: str) -> Path:
        return self._folder / f"{endpoint}.json"


def _new_key() -> str:
    return secrets.token_urlsafe(_KEY_BYTES)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest().upper()

"""The secrets of webhooks, in the clear: a file per webhook that only its owner may read."""

import json
from pathlib import Path

from pydantic import Field

from penstock import durable
from penstock.control.cloud_events import key_of
from penstock.domain.resource import Frozen


class _Stored(Frozen):
    """`uid` is the webhook's, so that a new one of an old name does not sign with the old secret."""

    uid: str
    secret: str = Field(repr=False)


class WebhookSecrets:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str, uid: str) -> str | None:
        try:
            stored = _Stored.model_validate_json(self._path(name).read_bytes())
        except FileNotFoundError:
            return None
        return stored.secret if stored.uid == uid else None

    def put(self, name: str, uid: str, secret: str) -> None:
        """Keep the secret, on the disk before this returns. Raises `invalid` for one that cannot sign."""
        key_of(secret)
        for folder in (self._folder.parent, self._folder):  # `parents` would leave the outer one open to others
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.replace(self._path(name), json.dumps({"uid": uid, "secret": secret}).encode())

    def forget(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

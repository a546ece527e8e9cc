"""Datastores: what can be asked of them. Their credentials are sent, and never come back."""

import json

from penstock.client.resources import AppliedDatastore, Preview, RemoteDatastore, understood, understood_items
from penstock.client.transport import Transport
from penstock.domain.datastore import Datastore, with_secrets
from penstock.domain.errors import invalid
from penstock.domain.names import check_asset_name

_ROOT = "/datastores"


class Datastores:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, datastore: Datastore, *, if_match: int | None = None) -> AppliedDatastore:
        """Make the datastore be as `datastore` says; without credentials, those that it has stay.

        `if_match` is the generation that the edit was made on; raises `conflict` if it is no longer the present one.
        """
        content = json.dumps(with_secrets(datastore)).encode()
        return understood(AppliedDatastore, self._transport.put(_own_path(datastore), content, if_match=if_match))

    def preview(self, datastore: Datastore) -> Preview:
        """What `create_or_update` would do."""
        content = json.dumps(with_secrets(datastore)).encode()
        return understood(Preview, self._transport.put(_own_path(datastore), content, query={"dry_run": "true"}))

    def get(self, name: str) -> RemoteDatastore:
        return understood(RemoteDatastore, self._transport.get(_path(name)))

    def list(self) -> list[RemoteDatastore]:
        return understood_items(RemoteDatastore, self._transport.get(_ROOT))

    def delete(self, name: str) -> RemoteDatastore | None:
        """Begin to delete the datastore, not its data; None if there is none. Raises `conflict` while it is used."""
        answer = self._transport.delete(_path(name))
        return understood(RemoteDatastore, answer["resource"]) if answer else None


def _path(name: str) -> str:
    return f"{_ROOT}/{check_asset_name('datastore', name)}"


def _own_path(datastore: Datastore) -> str:
    if datastore.name is None:
        raise invalid("the datastore has no name: give `name`")
    return _path(datastore.name)

"""Computes: what can be asked of them."""

from penstock.client.resources import AppliedCompute, Preview, RemoteCompute, understood, understood_items
from penstock.client.transport import Transport
from penstock.domain.compute import Compute
from penstock.domain.errors import invalid
from penstock.domain.names import check_name

_ROOT = "/computes"


class Computes:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, compute: Compute, *, if_match: int | None = None) -> AppliedCompute:
        """Make the compute be as `compute` says; the same content again changes nothing.

        `if_match` is the generation that the edit was made on; raises `conflict` if it is no longer the present one.
        """
        content = compute.model_dump_json().encode()
        return understood(AppliedCompute, self._transport.put(_own_path(compute), content, if_match=if_match))

    def preview(self, compute: Compute) -> Preview:
        """What `create_or_update` would do."""
        content = compute.model_dump_json().encode()
        return understood(Preview, self._transport.put(_own_path(compute), content, query={"dry_run": "true"}))

    def get(self, name: str) -> RemoteCompute:
        return understood(RemoteCompute, self._transport.get(_path(name)))

    def list(self) -> list[RemoteCompute]:
        return understood_items(RemoteCompute, self._transport.get(_ROOT))

    def delete(self, name: str) -> RemoteCompute | None:
        """Begin to delete the compute; None if there is none. Raises `conflict` while deployments or jobs use it."""
        answer = self._transport.delete(_path(name))
        return understood(RemoteCompute, answer["resource"]) if answer else None


def _path(name: str) -> str:
    return f"{_ROOT}/{check_name('compute', name)}"


def _own_path(compute: Compute) -> str:
    if compute.name is None:
        raise invalid("the compute has no name: give `name`")
    return _path(compute.name)

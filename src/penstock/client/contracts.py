"""Contracts: what can be asked of them."""

from penstock.client.resources import AppliedContract, Preview, RemoteContract, understood, understood_items
from penstock.client.transport import Transport
from penstock.domain.contract import Contract
from penstock.domain.errors import invalid
from penstock.domain.names import check_name

_ROOT = "/contracts"


class Contracts:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, contract: Contract, *, if_match: int | None = None) -> AppliedContract:
        """Make the contract be as `contract` says; instances are not restarted for it.

        `if_match` is the generation that the edit was made on; raises `conflict` if it is no longer the present one.
        """
        content = contract.model_dump_json().encode()
        return understood(AppliedContract, self._transport.put(_own_path(contract), content, if_match=if_match))

    def preview(self, contract: Contract) -> Preview:
        """What `create_or_update` would do."""
        content = contract.model_dump_json().encode()
        return understood(Preview, self._transport.put(_own_path(contract), content, query={"dry_run": "true"}))

    def get(self, name: str) -> RemoteContract:
        return understood(RemoteContract, self._transport.get(_path(name)))

    def list(self) -> list[RemoteContract]:
        return understood_items(RemoteContract, self._transport.get(_ROOT))

    def delete(self, name: str) -> RemoteContract | None:
        """Take the contract from all deployments; None if there is none."""
        answer = self._transport.delete(_path(name))
        return understood(RemoteContract, answer["resource"]) if answer else None


def _path(name: str) -> str:
    return f"{_ROOT}/{check_name('contract', name)}"


def _own_path(contract: Contract) -> str:
    if contract.name is None:
        raise invalid("the contract has no name: give `name`")
    return _path(contract.name)

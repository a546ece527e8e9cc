"""Autoscales: what can be asked of them."""

from penstock.client.resources import AppliedAutoscale, Preview, RemoteAutoscale, understood, understood_items
from penstock.client.transport import Transport
from penstock.domain.autoscale import Autoscale
from penstock.domain.errors import conflict, invalid, not_found
from penstock.domain.names import check_name

_ROOT = "/autoscales"


class Autoscales:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, autoscale: Autoscale, *, if_match: int | None = None) -> AppliedAutoscale:
        """Make the autoscale of its deployment be as `autoscale` says.

        `if_match` is the generation that the edit was made on; raises `conflict` if it is no longer the present one.
        """
        content = autoscale.model_dump_json().encode()
        return understood(AppliedAutoscale, self._transport.put(_own_path(autoscale), content, if_match=if_match))

    def preview(self, autoscale: Autoscale) -> Preview:
        """What `create_or_update` would do."""
        content = autoscale.model_dump_json().encode()
        return understood(Preview, self._transport.put(_own_path(autoscale), content, query={"dry_run": "true"}))

    def get(self, endpoint: str, deployment: str) -> RemoteAutoscale:
        return understood(RemoteAutoscale, self._transport.get(_path(endpoint, deployment)))

    def find(self, name: str) -> RemoteAutoscale:
        """By ENDPOINT/DEPLOYMENT, or by the name of Azure's setting. Raises `not_found`, and `conflict` for two."""
        if "/" in name:
            return self.get(*name.split("/", 1))
        found = [each for each in self.list() if each.spec.name == name]
        if not found:
            raise not_found(
                f"autoscale {name!r} does not exist: give ENDPOINT/DEPLOYMENT, or see `penstock autoscale list`"
            )
        if len(found) > 1:
            names = ", ".join(each.name for each in found)
            raise conflict(f"autoscale {name!r} is the name of several: say which of {names} is meant")
        return found[0]

    def list(self) -> list[RemoteAutoscale]:
        return understood_items(RemoteAutoscale, self._transport.get(_ROOT))

    def delete(self, endpoint: str, deployment: str) -> RemoteAutoscale | None:
        """Let the deployment have its instance_count again; None if there is no autoscale."""
        answer = self._transport.delete(_path(endpoint, deployment))
        return understood(RemoteAutoscale, answer["resource"]) if answer else None


def _path(endpoint: str, deployment: str) -> str:
    return f"{_ROOT}/{check_name('endpoint', endpoint)}/{check_name('deployment', deployment)}"


def _own_path(autoscale: Autoscale) -> str:
    if autoscale.endpoint_name is None or autoscale.deployment_name is None:
        raise invalid("the autoscale does not say of which deployment it is: give endpoint_name and deployment_name")
    return _path(autoscale.endpoint_name, autoscale.deployment_name)

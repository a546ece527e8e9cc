"""Online deployments: what can be asked of them."""

from penstock.client.resources import Answer, AppliedDeployment, Deployment, Preview, understood, understood_items
from penstock.client.transport import Transport
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errors import invalid
from penstock.domain.names import check_name


class Log(Answer):
    """The end of one log: an instance's, or a build's."""

    name: str
    text: str


class _Logs(Answer):
    logs: tuple[Log, ...]


class OnlineDeployments:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, deployment: OnlineDeployment, *, if_match: int | None = None) -> AppliedDeployment:
        """Make the deployment be as `deployment` says; the same content again changes nothing.

        Model and code must be artifact references or registered assets: `Client.artifacts` uploads them.
        `if_match` is the generation that the edit was made on; raises `conflict` if it is no longer the present one.
        """
        content = deployment.model_dump_json().encode()
        return understood(AppliedDeployment, self._transport.put(_own_path(deployment), content, if_match=if_match))

    def preview(self, deployment: OnlineDeployment) -> Preview:
        """What `create_or_update` would do."""
        content = deployment.model_dump_json().encode()
        return understood(Preview, self._transport.put(_own_path(deployment), content, query={"dry_run": "true"}))

    def get(self, endpoint: str, name: str) -> Deployment:
        return understood(Deployment, self._transport.get(_path(endpoint, name)))

    def list(self, endpoint: str) -> list[Deployment]:
        return understood_items(Deployment, self._transport.get(_root(endpoint)))

    def delete(self, endpoint: str, name: str) -> Deployment | None:
        """Begin to delete the deployment; None if there is none. Raises `conflict` while it has traffic."""
        answer = self._transport.delete(_path(endpoint, name))
        return understood(Deployment, answer["resource"]) if answer else None

    def logs(
        self, endpoint: str, name: str, *, lines: int = 50, container: str = "inference-server"
    ) -> tuple[Log, ...]:
        """The last `lines` of each instance's log, or of the build's (`container="build"`)."""
        query = {"lines": lines, "container": container}
        return understood(_Logs, self._transport.get(f"{_path(endpoint, name)}/logs", query)).logs


def _root(endpoint: str) -> str:
    return f"/online-endpoints/{check_name('endpoint', endpoint)}/deployments"


def _path(endpoint: str, name: str) -> str:
    return f"{_root(endpoint)}/{check_name('deployment', name)}"


def _own_path(deployment: OnlineDeployment) -> str:
    if deployment.name is None or deployment.endpoint_name is None:
        raise invalid("the deployment is not fully named: give `name` and `endpoint_name`")
    return _path(deployment.endpoint_name, deployment.name)

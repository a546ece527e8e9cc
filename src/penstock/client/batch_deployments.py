"""Batch deployments: what can be asked of them."""

from penstock.client.resources import (
    AppliedBatchDeployment,
    Preview,
    RemoteBatchDeployment,
    RemoteJob,
    understood,
    understood_items,
)
from penstock.client.transport import Transport
from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.errors import invalid
from penstock.domain.names import check_name


class BatchDeployments:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, deployment: BatchDeployment, *, if_match: int | None = None) -> AppliedBatchDeployment:
        """Make the deployment be as `deployment` says; the same content again changes nothing.

        Model and code must be artifact references or registered assets: `Client.artifacts` uploads them.
        `if_match` is the generation that the edit was made on; raises `conflict` if it is no longer the present one.
        """
        content = deployment.model_dump_json().encode()
        return understood(
            AppliedBatchDeployment, self._transport.put(_own_path(deployment), content, if_match=if_match)
        )

    def preview(self, deployment: BatchDeployment) -> Preview:
        """What `create_or_update` would do."""
        content = deployment.model_dump_json().encode()
        return understood(Preview, self._transport.put(_own_path(deployment), content, query={"dry_run": "true"}))

    def set_default(self, endpoint: str, name: str) -> None:
        """Have the endpoint's jobs that name no deployment run with this one."""
        self._transport.post(f"{_path(endpoint, name)}/set-default")

    def get(self, endpoint: str, name: str) -> RemoteBatchDeployment:
        return understood(RemoteBatchDeployment, self._transport.get(_path(endpoint, name)))

    def list(self, endpoint: str) -> list[RemoteBatchDeployment]:
        return understood_items(RemoteBatchDeployment, self._transport.get(_root(endpoint)))

    def delete(self, endpoint: str, name: str) -> RemoteBatchDeployment | None:
        """Begin to delete the deployment; None if there is none; its jobs stay.

        Raises `conflict` while one of them is not over, and for the default deployment while there are others.
        """
        answer = self._transport.delete(_path(endpoint, name))
        return understood(RemoteBatchDeployment, answer["resource"]) if answer else None

    def jobs(self, endpoint: str, name: str) -> "list[RemoteJob]":
        """The newest first."""
        return understood_items(RemoteJob, self._transport.get(f"{_path(endpoint, name)}/jobs"))


def _root(endpoint: str) -> str:
    return f"/batch-endpoints/{check_name('endpoint', endpoint)}/deployments"


def _path(endpoint: str, name: str) -> str:
    return f"{_root(endpoint)}/{check_name('deployment', name)}"


def _own_path(deployment: BatchDeployment) -> str:
    if deployment.name is None or deployment.endpoint_name is None:
        raise invalid("the deployment is not fully named: give `name` and `endpoint_name`")
    return _path(deployment.endpoint_name, deployment.name)

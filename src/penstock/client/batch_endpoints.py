"""Batch endpoints: what can be asked of them, and the jobs that they begin."""

import uuid

from penstock.client.resources import (
    AppliedBatchEndpoint,
    AppliedJob,
    Preview,
    RemoteBatchEndpoint,
    RemoteJob,
    understood,
    understood_items,
)
from penstock.client.transport import Transport
from penstock.domain.batch_endpoint import BatchEndpoint
from penstock.domain.errors import Code, PenstockError, invalid
from penstock.domain.invocation import Invocation
from penstock.domain.names import check_name

_ROOT = "/batch-endpoints"


class BatchEndpoints:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(self, endpoint: BatchEndpoint, *, if_match: int | None = None) -> AppliedBatchEndpoint:
        """Make the endpoint be as `endpoint` says; the same content again changes nothing.

        A spec in which `defaults` was not given keeps the endpoint's default deployment. `if_match` is the generation
        that the edit was made on; raises `conflict` if it is no longer the present one.
        """
        if if_match is None and "defaults" not in endpoint.model_fields_set:
            present = self.find(_name(endpoint))
            if present is not None:
                endpoint = endpoint.model_copy(update={"defaults": present.spec.defaults})
                if_match = present.generation
        content = endpoint.model_dump_json().encode()
        return understood(AppliedBatchEndpoint, self._transport.put(_path(_name(endpoint)), content, if_match=if_match))

    def preview(self, endpoint: BatchEndpoint) -> Preview:
        """What `create_or_update` would do."""
        if "defaults" not in endpoint.model_fields_set:
            present = self.find(_name(endpoint))
            endpoint = endpoint.model_copy(update={"defaults": present.spec.defaults}) if present else endpoint
        content = endpoint.model_dump_json().encode()
        return understood(Preview, self._transport.put(_path(_name(endpoint)), content, query={"dry_run": "true"}))

    def find(self, name: str) -> RemoteBatchEndpoint | None:
        """The endpoint, or None if there is none."""
        try:
            return self.get(name)
        except PenstockError as err:
            if err.code is Code.NOT_FOUND:
                return None
            raise

    def get(self, name: str) -> RemoteBatchEndpoint:
        return understood(RemoteBatchEndpoint, self._transport.get(_path(name)))

    def list(self) -> list[RemoteBatchEndpoint]:
        return understood_items(RemoteBatchEndpoint, self._transport.get(_ROOT))

    def delete(self, name: str) -> RemoteBatchEndpoint | None:
        """Begin to delete the endpoint and its deployments; None if there is none; its jobs stay.

        Raises `conflict` while one of them is not over.
        """
        answer = self._transport.delete(_path(name))
        return understood(RemoteBatchEndpoint, answer["resource"]) if answer else None

    def invoke(self, name: str, invocation: Invocation) -> AppliedJob:
        """Begin a job. A name is made up for one that has none, so that a call that is repeated begins no second one.

        Inputs are paths of the platform's machine, or URIs.
        """
        job_name = invocation.job_name or f"batchjob-{uuid.uuid4()}"
        body = invocation.model_copy(update={"job_name": job_name}).model_dump(mode="json")
        return understood(AppliedJob, self._transport.post(f"{_path(name)}/jobs", body))

    def jobs(self, name: str) -> "list[RemoteJob]":
        """The newest first."""
        return understood_items(RemoteJob, self._transport.get(f"{_path(name)}/jobs"))


def _path(name: str) -> str:
    return f"{_ROOT}/{check_name('endpoint', name)}"


def _name(endpoint: BatchEndpoint) -> str:
    if endpoint.name is None:
        raise invalid("the batch endpoint has no name: give `name`")
    return endpoint.name

"""Rollouts: what can be asked of them."""

from typing import Literal

from penstock.client.resources import AppliedRollout, Preview, RemoteRollout, understood, understood_items
from penstock.client.transport import Transport
from penstock.domain.errors import invalid
from penstock.domain.names import check_name
from penstock.domain.rollout import Rollout


class Rollouts:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def start(self, rollout: Rollout) -> AppliedRollout:
        """Begin the rollout; it goes on on the server, whatever becomes of the caller.

        One that is under way, or was promoted, with the same plan is left as it is. Raises `conflict` while another
        one of the endpoint is unfinished.
        """
        content = rollout.model_dump_json(by_alias=True, exclude_none=True).encode()
        return understood(AppliedRollout, self._transport.put(_own_path(rollout), content))

    def preview(self, rollout: Rollout) -> Preview:
        """What `start` would change in the spec."""
        content = rollout.model_dump_json(by_alias=True, exclude_none=True).encode()
        return understood(Preview, self._transport.put(_own_path(rollout), content, query={"dry_run": "true"}))

    def command(self, endpoint: str, name: str, verb: Literal["pause", "resume", "promote", "abort"]) -> AppliedRollout:
        """Raises `conflict` for a rollout that is over."""
        return understood(AppliedRollout, self._transport.post(f"{_path(endpoint, name)}/{verb}"))

    def get(self, endpoint: str, name: str | None = None) -> RemoteRollout:
        """The rollout; without a name the endpoint's unfinished one, else the one that was begun last."""
        if name is None:
            path = f"/online-endpoints/{check_name('endpoint', endpoint)}/rollout"
            return understood(RemoteRollout, self._transport.get(path))
        return understood(RemoteRollout, self._transport.get(_path(endpoint, name)))

    def list(self, endpoint: str | None = None) -> list[RemoteRollout]:
        """Those of an endpoint, or all."""
        path = "/rollouts" if endpoint is None else f"/online-endpoints/{check_name('endpoint', endpoint)}/rollouts"
        return understood_items(RemoteRollout, self._transport.get(path))

    def delete(self, endpoint: str, name: str) -> RemoteRollout | None:
        """Forget a rollout that is over; None if there is none."""
        answer = self._transport.delete(_path(endpoint, name))
        return understood(RemoteRollout, answer["resource"]) if answer else None


def _path(endpoint: str, name: str) -> str:
    return f"/online-endpoints/{check_name('endpoint', endpoint)}/rollouts/{check_name('rollout', name)}"


def _own_path(rollout: Rollout) -> str:
    if rollout.endpoint_name is None:
        raise invalid("the rollout has no endpoint: give `endpoint_name`")
    return _path(rollout.endpoint_name, rollout.name or rollout.to)

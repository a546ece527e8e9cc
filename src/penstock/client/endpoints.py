"""Online endpoints: what can be asked of them, and calls to their models."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from penstock.client.resources import (
    Answer,
    AppliedEndpoint,
    Endpoint,
    Preview,
    understood,
    understood_items,
)
from penstock.client.transport import Transport, reach
from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.errors import Code, PenstockError, invalid, unavailable
from penstock.domain.fields import parse
from penstock.domain.names import check_name

_ROOT = "/online-endpoints"
_TRAFFIC = frozenset({"traffic", "mirror_traffic"})
_ABSENT = 0  # the generation of what does not exist
_TRIES = 5  # at keeping traffic that somebody else is changing
_SCORE_TIMEOUT = httpx.Timeout(330.0, connect=5.0)  # request_timeout_ms goes up to 300 s


class Credentials(Answer):
    """An endpoint's two keys; either opens it."""

    primaryKey: str = ""  # noqa: N815 - Azure's name
    secondaryKey: str = ""  # noqa: N815


@dataclass(frozen=True)
class Scored:
    """What an endpoint answered: any status, the body as it came."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class OnlineEndpoints:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_or_update(
        self, endpoint: OnlineEndpoint, *, if_match: int | None = None, force: bool = False
    ) -> AppliedEndpoint:
        """Make the endpoint be as `endpoint` says; the same content again changes nothing.

        A spec in which `traffic` or `mirror_traffic` was not given keeps what the endpoint has: applying an
        endpoint's file never takes its traffic away. `if_match` is the generation that the edit was made on; raises
        `conflict` if it is no longer the present one, and while a rollout decides about the traffic that would
        change: `force` ends that.
        """
        name = _name(endpoint)
        if if_match is not None or endpoint.model_fields_set >= _TRAFFIC:
            return self._put(endpoint, if_match, force=force)
        for _ in range(_TRIES):
            found = self.find(name)
            generation = found.generation if found else _ABSENT
            try:
                wanted = with_kept_traffic(endpoint, found.spec) if found else endpoint
                return self._put(wanted, generation, force=force)
            except PenstockError as err:
                # Only an edit under our feet is worth another look.
                now = self.find(name)
                if err.code is not Code.CONFLICT or (now.generation if now else _ABSENT) == generation:
                    raise
        raise unavailable(f"endpoint {name!r} is being changed by others all the time; try again")

    def preview(self, endpoint: OnlineEndpoint) -> Preview:
        """What `create_or_update` would do."""
        found = self.find(_name(endpoint))
        wanted = with_kept_traffic(endpoint, found.spec) if found else endpoint
        content = wanted.model_dump_json().encode()
        return understood(Preview, self._transport.put(_path(_name(endpoint)), content, query={"dry_run": "true"}))

    def find(self, name: str) -> Endpoint | None:
        """The endpoint, or None if there is none."""
        try:
            return self.get(name)
        except PenstockError as err:
            if err.code is Code.NOT_FOUND:
                return None
            raise

    def get(self, name: str) -> Endpoint:
        return understood(Endpoint, self._transport.get(_path(name)))

    def list(self) -> list[Endpoint]:
        return understood_items(Endpoint, self._transport.get(_ROOT))

    def delete(self, name: str) -> Endpoint | None:
        """Begin to delete the endpoint and its deployments; None if there is no such endpoint."""
        answer = self._transport.delete(_path(name))
        return understood(Endpoint, answer["resource"]) if answer else None

    def rollback(self, name: str, *, force: bool = False) -> AppliedEndpoint:
        """Back to the traffic before its last change; `force` ends a rollout that decides about it."""
        return understood(
            AppliedEndpoint, self._transport.post(f"{_path(name)}/rollback{'?force=true' if force else ''}")
        )

    def credentials(self, name: str) -> Credentials:
        return understood(Credentials, self._transport.get(f"{_path(name)}/credentials"))

    def regenerate_keys(self, name: str, key_type: str = "primary") -> Credentials:
        """A new `primary` or `secondary` key; the other one stays."""
        if key_type not in ("primary", "secondary"):
            raise invalid(f"key type {key_type!r} is not known: use primary or secondary")
        request = {"key_type": key_type, "request_id": uuid.uuid4().hex}
        return understood(Credentials, self._transport.post(f"{_path(name)}/regenerate-keys", request))

    def scoring_uri(self, name: str) -> str:
        """Where requests go. Raises `unavailable` as long as the endpoint has no such place."""
        uri = self.get(name).scoring_uri
        if uri is None:
            raise unavailable(
                f"endpoint {name!r} has no scoring URI yet; see `penstock online-endpoint show -n {name}`"
            )
        return uri

    def invoke(self, name: str, body: bytes, *, deployment_name: str | None = None) -> Scored:
        """Send one request through the gateway as any caller would, to `deployment_name` if it is given.

        Any HTTP status is an answer; raises `unavailable` only if there is none.
        """
        uri, key = self.scoring_uri(name), self.credentials(name).primaryKey
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        if deployment_name is not None:
            headers["azureml-model-deployment"] = check_name("deployment", deployment_name)
        return _score(uri, body, headers)

    def _put(self, endpoint: OnlineEndpoint, if_match: int | None, *, force: bool) -> AppliedEndpoint:
        content = endpoint.model_dump_json().encode()
        query = {"force": "true"} if force else None
        path = _path(_name(endpoint))
        return understood(AppliedEndpoint, self._transport.put(path, content, query=query, if_match=if_match))


def with_kept_traffic(wanted: OnlineEndpoint, present: OnlineEndpoint) -> OnlineEndpoint:
    """`wanted`, with `present`'s traffic where none was given. A mirror that is given live traffic ends."""
    given = wanted.model_fields_set
    traffic = wanted.traffic if "traffic" in given else present.traffic
    mirror = wanted.mirror_traffic if "mirror_traffic" in given else present.mirror_traffic
    if "traffic" in given and "mirror_traffic" not in given:
        mirror = {name: percent for name, percent in mirror.items() if not traffic.get(name)}
    fields = {**wanted.model_dump(), "traffic": traffic, "mirror_traffic": mirror}
    return parse(OnlineEndpoint, fields, f"endpoint {wanted.name!r}")


def _score(uri: str, body: bytes, headers: Mapping[str, str]) -> Scored:
    try:
        answer = httpx.post(uri, content=body, headers=dict(headers), timeout=_SCORE_TIMEOUT, **reach(uri))
    except httpx.ConnectError:
        raise unavailable(f"the gateway does not answer at {uri}; see `penstock status`") from None
    except httpx.RequestError as err:
        raise unavailable(f"{uri} gave no answer ({type(err).__name__}); see `penstock status`") from err
    return Scored(answer.status_code, answer.content, answer.headers)


def _name(endpoint: OnlineEndpoint) -> str:
    if endpoint.name is None:
        raise invalid("the endpoint has no name: give `name`")
    return endpoint.name


def _path(name: str) -> str:
    return f"{_ROOT}/{check_name('endpoint', name)}"

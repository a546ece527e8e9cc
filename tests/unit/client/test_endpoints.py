"""Endpoints through the client: traffic is kept, edits by others are seen."""

import json
from typing import Any

import httpx
import pytest

from penstock.client.address import Address, find
from penstock.client.endpoints import OnlineEndpoints, with_kept_traffic
from penstock.client.transport import Transport
from penstock.domain.endpoint import OnlineEndpoint
from penstock.domain.errors import Code, PenstockError
from penstock.settings import from_environment


class Platform:
    """A stand-in with one endpoint; `edits` others make edits between our look and our write."""

    def __init__(self, spec: dict[str, Any] | None, *, edits: int = 0) -> None:
        self.spec = spec
        self.generation = 1 if spec is not None else 0
        self.edits = edits

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return self._shown() if self.spec is not None else _error(404, Code.NOT_FOUND)
        if self.edits:
            self.edits -= 1
            self.generation += 1
            self.spec = {**(self.spec or {}), "traffic": {"green": 100}}
        if request.headers.get("If-Match", str(self.generation)) != str(self.generation):
            return _error(409, Code.CONFLICT)
        self.spec = json.loads(request.content)
        self.generation += 1
        return httpx.Response(200, json={"resource": self._resource(), "change": "updated", "notices": ["n"]})

    def _shown(self) -> httpx.Response:
        return httpx.Response(200, json=self._resource())

    def _resource(self) -> dict[str, Any]:
        at = "2026-01-01T00:00:00+00:00"
        return {
            "kind": "online-endpoint",
            "name": "fraud",
            "uid": "u",
            "generation": self.generation,
            "version": 1,
            "spec": self.spec,
            "status": {"observed_generation": 1, "conditions": []},
            "created_at": at,
            "updated_at": at,
            "deleting_since": None,
            "provisioning_state": "Succeeded",
            "scoring_uri": "http://127.0.0.1:8080/endpoints/fraud/score",
            "a_field_of_tomorrow": 1,
        }


def _error(status: int, code: Code) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code.value, "message": "no", "details": {}}})


def applied(platform: Platform, spec: OnlineEndpoint, if_match: int | None = None) -> dict[str, Any]:
    transport = Transport(Address("http://127.0.0.1:1", None), http=httpx.MockTransport(platform), sleep=lambda _: None)
    try:
        OnlineEndpoints(transport).create_or_update(spec, if_match=if_match)
    finally:
        transport.close()
    assert platform.spec is not None
    return platform.spec


def test_a_file_without_traffic_leaves_the_traffic_alone() -> None:
    platform = Platform({"name": "fraud", "traffic": {"blue": 100}})
    spec = applied(platform, OnlineEndpoint(name="fraud", description="new"))
    assert (spec["traffic"], spec["description"]) == ({"blue": 100}, "new")


def test_traffic_that_was_given_wins_also_if_it_is_empty() -> None:
    platform = Platform({"name": "fraud", "traffic": {"blue": 100}})
    assert applied(platform, OnlineEndpoint(name="fraud", traffic={}))["traffic"] == {}


@pytest.mark.parametrize("before", [{"name": "fraud", "traffic": {"blue": 100}}, None])
def test_traffic_that_moves_meanwhile_is_not_taken_back(before: dict[str, Any] | None) -> None:
    assert applied(Platform(before, edits=2), OnlineEndpoint(name="fraud"))["traffic"] == {"green": 100}


def test_an_edit_of_what_others_changed_is_a_conflict() -> None:
    with pytest.raises(PenstockError) as raised:
        applied(Platform({"name": "fraud"}, edits=1), OnlineEndpoint(name="fraud"), if_match=1)
    assert raised.value.code is Code.CONFLICT


def test_a_mirror_ends_when_its_deployment_gets_live_traffic() -> None:
    present = OnlineEndpoint(name="fraud", traffic={"blue": 100}, mirror_traffic={"green": 10})
    kept = with_kept_traffic(OnlineEndpoint(name="fraud", traffic={"green": 100}), present)
    assert (kept.traffic, kept.mirror_traffic) == ({"green": 100}, {})


def test_the_home_s_token_is_for_the_home_s_platform_only(tmp_path: Any) -> None:
    environment = {"PENSTOCK_HOME": str(tmp_path)}
    with pytest.raises(PenstockError, match="penstock up"):
        find(None, None, from_environment(environment))
    (tmp_path / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:8700"}))
    (tmp_path / "token").write_text("secret\n")
    assert find(None, None, from_environment(environment)) == Address("http://127.0.0.1:8700", "secret")
    assert find("http://127.0.0.1:8700/", None, from_environment(environment)).token == "secret"
    assert find("http://elsewhere:8700", None, from_environment(environment)).token is None
    remote = {**environment, "PENSTOCK_URL": "https://elsewhere", "PENSTOCK_TOKEN": "theirs"}
    assert find(None, None, from_environment(remote)) == Address("https://elsewhere", "theirs")
    assert "theirs" not in repr(from_environment(remote))
    assert "theirs" not in repr(Address("https://elsewhere", "theirs"))


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://h:99999", "file:///etc/passwd"])
def test_what_is_no_url_is_refused(url: str, tmp_path: Any) -> None:
    with pytest.raises(PenstockError) as raised:
        find(url, None, from_environment({"PENSTOCK_HOME": str(tmp_path)}))
    assert raised.value.code is Code.INVALID

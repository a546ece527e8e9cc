"""Golden requests tell a good deployment from a bad one, rollbacks lose no request, and webhooks miss no event."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.callers import Caller, a_caller, an_api, write_yaml
from support.load import Load
from support.receiver import Receiver
from support.running import Platform, a_platform, wait_until, write_deployment

PRICE = """
import json, os

def init():
    pass

def run(raw_data):
    row = json.loads(raw_data)
    return {"price": row["x"] * float(os.environ["FACTOR"]), "label": "high" if row["x"] > 2 else "low"}
"""
ENDPOINT = {"name": "prices", "auth_mode": "key"}


def test_golden_requests_rollbacks_and_webhooks(tmp_path: Path) -> None:
    files = tmp_path / "files"
    with a_platform(tmp_path / "home") as platform, Receiver() as receiver:
        made = platform.json("webhook", "create", "-n", "log", "--url", receiver.url, "--disabled")
        receiver.secret = made["secret"]
        tested = platform.json("webhook", "test", "-n", "log")
        assert (tested["handshake"], tested["status"]) == ("allowed", 204)
        begun = newest_event(platform)
        assert "secret" not in platform.json("webhook", "create", "-n", "log", "--enabled")

        write_yaml(files / "endpoint.yml", {**ENDPOINT, "traffic": {"blue": 100}})
        deploy(files, "blue", factor="2")
        deploy(files, "green", factor="2.1")
        platform.run("apply", "-f", files)
        with a_caller(platform, "prices") as caller, load_of(caller) as load:
            golden_requests_tell_good_from_bad(platform, caller, tmp_path / "golden.jsonl")
            traffic_goes_back(platform, caller)
            a_spec_goes_back_while_the_receiver_and_the_control_plane_are_away(platform, files, receiver)
            everything_goes_back_to_an_event(platform, caller, files)
            load.wait_for(50)
        assert not load.failures(), load.summary()

        end = newest_event(platform)
        wait_until(lambda: max(receiver.ids(), default=0) >= end)
        with an_api(platform) as api:
            recorded = api.get("events", params={"after": begun, "limit": 1000}).json()["items"]
        missed = {event["id"] for event in recorded if event["id"] <= end} - set(receiver.ids())
        assert not missed
        firsts = list(dict.fromkeys(receiver.ids()))
        assert firsts == sorted(firsts)
        assert receiver.refused == []
        shown = platform.run("webhook", "show", "-n", "log").stdout
        assert receiver.secret not in shown + (platform.home / "penstock.db").read_bytes().decode("latin-1")
        kinds = {event["type"] for event in receiver.seen}
        assert {"penstock.RolledBack", "penstock.TrafficChanged", "penstock.DeploymentReady"} <= kinds


def golden_requests_tell_good_from_bad(platform: Platform, caller: Caller, file: Path) -> None:
    with asking(caller):
        flags = ("--count", 6, "--redact", "email", "--seconds", 20, "--out", file)
        recorded = platform.json("golden", "record", "-e", "prices", *flags)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert (recorded["deployment"], recorded["kept"], len(lines)) == ("blue", 6, 6)
    assert {line["expect"]["answer"]["label"] for line in lines} == {"high", "low"}
    assert len({json.dumps(line["request"]) for line in lines}) == 6
    assert "@example.com" not in file.read_text()

    assert platform.json("golden", "check", "-e", "prices", "-d", "blue", "-f", file) == []
    checked = platform.run("golden", "check", "-e", "prices", "-d", "green", "-f", file, "-o", "json", check=False)
    assert checked.returncode == 1
    row = next(row for row in json.loads(checked.stdout) if row["request"] == lines[0]["name"])
    x = lines[0]["request"]["x"]
    assert (row["path"], float(row["expected"])) == ("price", 2 * x)
    assert float(row["got"].split()[0]) == pytest.approx(2.1 * x)

    for line in lines:
        line["expect"]["tolerance"] = {"rel": 0.06}
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert platform.json("golden", "check", "-e", "prices", "-d", "green", "-f", file) == []


def traffic_goes_back(platform: Platform, caller: Caller) -> None:
    platform.run("online-endpoint", "update", "-n", "prices", "--traffic", "blue=0 green=100")
    assert served(caller) == "green"
    planned = platform.json("rollback", "-e", "prices", "--dry-run")
    assert [(row["change"], len(row["differences"])) for row in planned] == [("updated", 2)]
    assert served(caller) == "green"
    assert len(platform.json("rollback", "-e", "prices")) == 1
    assert served(caller) == "blue"
    assert platform.json("rollback", "-e", "prices") == []


def a_spec_goes_back_while_the_receiver_and_the_control_plane_are_away(
    platform: Platform, files: Path, receiver: Receiver
) -> None:
    receiver.leave()
    platform.run("apply", "-f", deploy(files, "green", factor="7"))
    wait_until(lambda: platform.json("webhook", "show", "-n", "log")["waiting"])
    platform.kill_control_plane()
    platform.up()
    receiver.come()
    (row,) = platform.json("rollback", "-e", "prices", "-d", "green")
    assert [(each["path"], each["old"], each["new"]) for each in row["differences"]] == [
        ("environment_variables.FACTOR", "7", "2.1")
    ]
    assert platform.json("online-deployment", "show", "-e", "prices", "-n", "green")["ready_instances"] == 1
    assert platform.json("rollback", "-e", "prices", "-d", "green") == []
    assert platform.json("rollback", "-e", "prices", "-d", "green", "--to-generation", 1) == []
    assert platform.run("rollback", "-e", "prices", "-d", "green", "--to-generation", 9, check=False).returncode == 3


def everything_goes_back_to_an_event(platform: Platform, caller: Caller, files: Path) -> None:
    event = newest_event(platform)
    write_yaml(files / "endpoint.yml", {**ENDPOINT, "tags": {"season": "summer"}, "traffic": {"teal": 100}})
    write_yaml(
        files / "contract.yml", {"type": "contract", "name": "rows", "endpoint_name": "prices", "mode": "shadow"}
    )
    later = deploy(files, "teal", factor="5")
    platform.run("apply", "-f", files / "endpoint.yml", "-f", files / "contract.yml", "-f", later)
    platform.run("online-deployment", "delete", "-e", "prices", "-n", "blue", "--yes")
    assert served(caller) == "teal"

    planned = platform.json("rollback", "--to-event", event, "--dry-run", "--prune")
    assert ("online-deployment", "prices/blue", "created") in changes(planned)
    done = platform.json("rollback", "--to-event", event, "--prune")
    assert set(changes(done)) >= {
        ("online-deployment", "prices/blue", "created"),
        ("online-deployment", "prices/teal", "deleted"),
        ("contract", "rows", "deleted"),
        ("online-endpoint", "prices", "updated"),
    }
    assert served(caller) == "blue"
    endpoint = platform.json("online-endpoint", "show", "-n", "prices")
    assert (endpoint["traffic"], endpoint["tags"]) == ({"blue": 100}, {})
    wait_until(lambda: len(platform.seen("online-endpoints/prices/deployments")["items"]) == 2)
    assert platform.json("rollback", "--to-event", event, "--prune") == []
    assert platform.json("contract", "list") == []


def changes(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(row["kind"], row["name"], row["change"]) for row in rows]


def deploy(files: Path, name: str, *, factor: str) -> Path:
    return write_deployment(files, "prices", name, script=PRICE, variables={"FACTOR": factor})


def newest_event(platform: Platform) -> int:
    return platform.json("events", "--limit", 1)[0]["id"]


def served(caller: Caller) -> str:
    """Who answers a new connection."""
    answer = httpx.post(
        f"{caller.url}/score", content=b'{"x": 1}', headers=caller.headers(), trust_env=False, timeout=60
    )
    assert answer.status_code == httpx.codes.OK
    return answer.headers["azureml-model-deployment"]


@contextmanager
def load_of(caller: Caller) -> Generator[Load]:
    path = "/endpoints/prices/score"
    with Load(caller.port, path, caller.headers(), body=b'{"x": 1.5}', connections=2, pause=0.05) as load:
        yield load


@contextmanager
def asking(caller: Caller) -> Generator[None]:
    """Ever new requests, as long as somebody listens."""
    ended = threading.Event()

    def ask() -> None:
        number = 0
        while not ended.wait(0.01):
            number += 1
            x = number % 2 * 3 + 1 / number  # high and low by turns
            caller.score(json.dumps({"x": x, "email": f"{number}@example.com"}))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()

"""The commands of one platform: what they say, how they end, and what they leave in the home folder."""

import json
import socket
import stat
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from support.callers import Caller, a_caller, an_api, at_once, write_yaml
from support.running import ECHO, Platform, a_platform, wait_until, write_deployment, write_endpoint

DYING = ECHO.replace(
    "def run(raw_data):",
    'def run(raw_data):\n    if raw_data == "die":\n        print("my last words")\n        os._exit(7)',
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    """In a home whose path is longer than a unix socket's may be; blue has traffic, green has none."""
    folder = tmp_path_factory.mktemp("commands")
    home = folder / "home"
    while len(str(home)) < 150:
        home /= "long" * 5
    files = folder / "files"
    with a_platform(home, typed=True) as platform:
        write_yaml(files / "endpoint.yml", {"name": "fraud", "auth_mode": "key", "traffic": {"blue": 100}})
        for name in ("blue", "green"):
            write_deployment(files, "fraud", name, script=DYING, variables={"VERSION": name})
        platform.run("apply", "-f", files)
        yield platform


@pytest.fixture(scope="module")
def fraud(platform: Platform) -> Generator[Caller]:
    with a_caller(platform, "fraud") as caller:
        yield caller


# Starting and stopping.


def test_a_second_up_says_that_it_is_running(platform: Platform) -> None:
    before = platform.server
    done = platform.run("up", "--detach", "-o", "json")
    assert "up already" in done.stderr
    assert json.loads(done.stdout)["already_running"] is True
    assert platform.server == before
    done = platform.run("up", check=False)
    assert done.returncode == 4
    assert "a platform runs already" in done.stderr


def test_a_port_in_use_is_named_with_its_remedy(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flag in ("--port", "--gateway-port"):
            done = platform.run("up", "--detach", flag, port, check=False)
            assert done.returncode == 5, done.stderr
            assert str(port) in done.stderr
            assert f"penstock up {flag}" in done.stderr
    assert platform.processes() == []


def test_status_shows_what_runs(platform: Platform, tmp_path: Path) -> None:
    shown = platform.json("status")
    counts = {name: shown[name] for name in ("endpoints", "deployments", "instances", "gateway_alive")}
    assert counts == {"endpoints": 1, "deployments": 2, "instances": 2, "gateway_alive": True}
    assert shown["home"] == str(platform.home)
    done = Platform(tmp_path / "nothing").run("status", check=False)
    assert done.returncode == 5
    assert "penstock up" in done.stderr


# Results and exit codes.


def test_results_come_in_every_form(platform: Platform) -> None:
    show = ("online-endpoint", "show", "-n", "fraud")
    forms = ((*show, "-o", "yaml"), (*show, "-o", "table"), (*show, "-o", "none"), (*show, "--query", "traffic.blue"))
    listing = ("online-deployment", "list", "-e", "fraud", "-o", "tsv", "--query", "[].[name,instance_count]")
    bare, as_yaml, as_table, none, queried, listed = (done.stdout for done in at_once(platform, show, *forms, listing))
    as_json = json.loads(bare)  # without a terminal, JSON is the default
    assert as_json["traffic"] == {"blue": 100}
    assert as_json["provisioning_state"] == "Succeeded"
    assert as_json["scoring_uri"].endswith("/endpoints/fraud/score")
    assert yaml.safe_load(as_yaml) == as_json
    heads, row = as_table.splitlines()
    assert heads.split()[:3] == ["Name", "ProvisioningState", "Traffic"]
    assert row.split()[:3] == ["fraud", "Succeeded", "blue=100"]
    assert none == ""
    assert listed.splitlines() == ["blue\t1", "green\t1"]
    assert queried.strip() == "100"


def test_exit_codes_tell_what_kind_of_failure_it_was(platform: Platform, tmp_path: Path) -> None:
    failing = write_deployment(tmp_path, "fraud", "red", script=ECHO.replace("pass", "1 / 0"))
    cases = {
        0: ("online-endpoint", "show", "-n", "fraud"),
        1: ("online-deployment", "create", "-f", failing),
        2: ("online-endpoint", "show", "-n", "fraud", "--query", "[["),
        3: ("online-endpoint", "show", "-n", "fruad"),
        4: ("online-deployment", "delete", "-n", "blue", "-e", "fraud", "--yes"),
    }
    assert {code: platform.run(*words, check=False).returncode for code, words in cases.items()} == {
        c: c for c in cases
    }
    away = Platform(tmp_path, {"PENSTOCK_URL": "http://127.0.0.1:1", "PENSTOCK_TOKEN": "t"})
    assert away.run("status", check=False).returncode == 5
    remove(platform, "red")
    with an_api(platform) as api:
        wait_until(lambda: api.get("online-endpoints/fraud/deployments/red").status_code == 404)
    done = platform.run("online-deployment", "delete", "-n", "red", "-e", "fraud", "--yes")
    assert "there is no deployment 'red'" in done.stderr  # what is asked for is so: that is no failure


# Creating and changing.


def test_create_makes_it_so_however_often_it_is_said(platform: Platform, tmp_path: Path) -> None:
    path = write_deployment(tmp_path, "fraud", "again", variables={"VERSION": "1"})
    said: list[tuple[str, Any]] = []
    for version in ("1", "1", "2"):
        write_deployment(tmp_path, "fraud", "again", variables={"VERSION": version})
        done = platform.run("online-deployment", "create", "-f", path)
        said.append(
            (done.stderr.split("deployment 'fraud/again' ")[1].split()[0], json.loads(done.stdout)["generation"])
        )
    assert said == [("created", 1), ("unchanged", 1), ("updated", 2)]
    done = platform.run("online-endpoint", "create", "-f", write_endpoint(tmp_path, "fraud"))
    assert "endpoint 'fraud' unchanged" in done.stderr  # its traffic is kept
    remove(platform, "again")


def test_no_wait_comes_back_at_once_and_the_work_goes_on(platform: Platform, tmp_path: Path) -> None:
    path = write_deployment(tmp_path, "fraud", "slow", script=ECHO.replace("pass", "import time; time.sleep(1)"))
    done = platform.run("online-deployment", "create", "-f", path, "--no-wait")
    assert json.loads(done.stdout)["provisioning_state"] == "Creating"
    with an_api(platform) as api:
        state = lambda: api.get("online-endpoints/fraud/deployments/slow").json()["provisioning_state"]  # noqa: E731
        wait_until(lambda: state() == "Succeeded")
    remove(platform, "slow")


def test_set_changes_single_fields(platform: Platform, fraud: Caller) -> None:
    sets = ["instance_count=2", "environment_variables.VERSION=set", "request_settings.request_timeout_ms=4000"]
    shown = platform.json("online-deployment", "update", "-n", "green", "-e", "fraud", "--set", *sets)
    assert (shown["instance_count"], shown["ready_instances"]) == (2, 2)
    assert shown["request_settings"]["request_timeout_ms"] == 4000
    assert fraud.score(azureml_model_deployment="green").json()["version"] == "set"
    platform.run("online-deployment", "update", "-n", "green", "-e", "fraud", "--set", "instance_count=1", "--no-wait")


# Looking and asking.


def test_logs_of_a_dead_instance_are_kept(platform: Platform, fraud: Caller) -> None:
    wait_until(lambda: len(platform.instance_pids("fraud.green")) == 1)
    before = fraud.score(azureml_model_deployment="green").json()["pid"]
    with suppress(httpx.RemoteProtocolError):
        fraud.score("die", azureml_model_deployment="green")
    wait_until(lambda: fraud.served(azureml_model_deployment="green"))
    assert fraud.score(azureml_model_deployment="green").json()["pid"] != before
    logs = platform.run("online-deployment", "get-logs", "-n", "green", "-e", "fraud", "--lines", 100).stdout
    assert "my last words" in logs
    build = platform.run("online-deployment", "get-logs", "-n", "green", "-e", "fraud", "--container", "build").stdout
    assert "penstock-worker" in build
    wait_until(
        lambda: (
            ("InstanceDied", True)
            in [(e["reason"], "exit code 7" in e["message"]) for e in platform.seen("events?name=fraud/green")["items"]]
        )
    )


def test_invoke_asks_as_any_caller_does(platform: Platform, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"data": [1, 2]}')
    answer = platform.run("online-endpoint", "invoke", "-n", "fraud", "-r", request)
    assert json.loads(answer.stdout) | {"pid": 0} == {"version": "blue", "pid": 0, "length": 16}
    named = platform.run("online-endpoint", "invoke", "-n", "fraud", "-d", "green", "-r", "-", stdin="12345")
    assert json.loads(named.stdout)["length"] == 5
    refused = platform.run("online-endpoint", "invoke", "-n", "fraud", "-d", "bleu", "-r", request, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "answered 404" in refused.stderr
    assert "names no deployment" in refused.stderr


def test_a_regenerated_key_replaces_the_old_one_alone(platform: Platform, fraud: Caller) -> None:
    old = platform.json("online-endpoint", "get-credentials", "-n", "fraud")
    new = platform.json("online-endpoint", "regenerate-keys", "-n", "fraud", "--key-type", "secondary")
    assert new["primaryKey"] == old["primaryKey"]
    assert new["secondaryKey"] != old["secondaryKey"]
    statuses = [status(fraud, key) for key in (new["primaryKey"], new["secondaryKey"], old["secondaryKey"])]
    assert statuses == [200, 200, 401]


def test_a_second_rollback_does_not_bring_the_bad_version_back(platform: Platform, fraud: Caller) -> None:
    give_traffic(platform, {"green": 100})
    before = sorted(p.pid for p in platform.processes())
    first = platform.run("online-endpoint", "rollback", "-n", "fraud")
    second = platform.run("online-endpoint", "rollback", "-n", "fraud")
    assert json.loads(first.stdout)["traffic"] == json.loads(second.stdout)["traffic"] == {"blue": 100}
    assert "already rolled back" in second.stderr
    assert {fraud.score().headers["azureml-model-deployment"] for _ in range(20)} == {"blue"}
    assert sorted(p.pid for p in platform.processes()) == before


def test_events_show_who_changed_what(platform: Platform) -> None:
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=60 green=40")
    platform.run("online-endpoint", "rollback", "-n", "fraud")
    platform.run("online-endpoint", "regenerate-keys", "-n", "fraud", "--key-type", "secondary")
    events = [e for e in platform.json("events", "-n", "fraud") if e["name"] == "fraud"]
    done = [(e["reason"], e["message"]) for e in events[-3:]]
    assert done == [
        ("TrafficChanged", "traffic blue=100 -> blue=60 green=40"),
        ("RolledBack", done[1][1]),
        ("KeyRotated", "secondary key replaced"),
    ]
    assert "traffic blue=60 green=40 -> blue=100" in done[1][1]
    assert {e["actor"].partition("@")[2] for e in events[-3:]} == {socket.gethostname()}


# What lies in the home, and who gets at it.


def test_nobody_else_gets_at_home_and_secrets(platform: Platform) -> None:
    assert mode(platform.home) == 0o700
    private = ["token", "server.json", "penstock.db", "logs/server.log", "secrets/endpoints/fraud.json"]
    private += [str(p.relative_to(platform.home)) for p in platform.home.glob("logs/instances/**/*.log")]
    private += [str(p.relative_to(platform.home)) for p in platform.home.glob("gateway/*.*")]
    assert len(private) > 8
    assert {name: oct(mode(platform.home / name)) for name in private if mode(platform.home / name) & 0o077} == {}
    for folder in ("secrets", "secrets/endpoints", "logs", "logs/instances", "gateway"):
        assert mode(platform.home / folder) == 0o700, folder


def test_keys_and_token_are_in_their_own_files_and_nowhere_else(platform: Platform) -> None:
    keys = platform.json("online-endpoint", "get-credentials", "-n", "fraud")
    token = (platform.home / "token").read_text().strip()
    secrets = [secret.encode() for secret in (*keys.values(), token)]
    found: set[str] = set()
    for path in platform.home.rglob("*"):
        if path.is_file() and "environments" not in path.relative_to(platform.home).parts:
            content = path.read_bytes()
            if any(secret in content for secret in secrets):
                found.add(str(path.relative_to(platform.home)))
    assert found == {"token", "secrets/endpoints/fraud.json"}
    for process in platform.processes():
        shown = "\0".join([*process.cmdline(), *process.environ().values()]).encode()
        assert not any(secret in shown for secret in secrets), process.cmdline()


def test_a_platform_may_be_far_away(platform: Platform, tmp_path: Path) -> None:
    """With its URL and token, and neither its home nor one of one's own."""
    url, token = platform.server["url"], (platform.home / "token").read_text().strip()
    remote = Platform(tmp_path / "none", {"PENSTOCK_URL": url, "PENSTOCK_TOKEN": token})
    path = write_deployment(tmp_path, "fraud", "remote", variables={"VERSION": "remote"})
    remote.run("online-deployment", "create", "-f", path)
    answer = remote.run("online-endpoint", "invoke", "-n", "fraud", "-d", "remote", "-r", "-", stdin="{}")
    assert json.loads(answer.stdout)["version"] == "remote"
    remove(platform, "remote")
    assert not remote.home.exists()
    stranger = Platform(tmp_path / "none", {"PENSTOCK_URL": url, "PENSTOCK_TOKEN": "guessed"})
    done = stranger.run("online-endpoint", "list", check=False)
    assert done.returncode == 1
    assert "PENSTOCK_TOKEN" in done.stderr


def test_down_ends_everything_and_up_brings_it_back(platform: Platform, fraud: Caller) -> None:
    ended = platform.run("down").stderr
    assert "ended control plane" in ended
    assert platform.processes() == []
    again = platform.run("down")
    assert "nothing was running" in again.stderr
    assert platform.run("status", check=False).returncode == 5
    platform.up()
    with a_caller(platform, "fraud") as caller:
        assert caller.key == fraud.key
        wait_until(caller.served)


def remove(platform: Platform, deployment: str) -> None:
    with an_api(platform) as api:
        assert api.delete(f"online-endpoints/fraud/deployments/{deployment}").is_success


def give_traffic(platform: Platform, traffic: dict[str, int]) -> None:
    with an_api(platform) as api:
        assert api.put("online-endpoints/fraud", json={"traffic": traffic}).is_success


def status(caller: Caller, key: str) -> int:
    return httpx.post(
        f"{caller.url}/score", content=b"{}", headers={"Authorization": f"Bearer {key}"}, timeout=60
    ).status_code


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)

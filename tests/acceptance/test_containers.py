"""Deployments whose environment is an image: Penstock's own, or one with a server of the user's."""

import json
import os
import signal
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.callers import Caller, a_caller
from support.containers import a_base_image, a_registry, a_tool
from support.running import Platform, a_platform, wait_until, write_endpoint

from penstock.containers.tool import Tool
from penstock.engines.container import owned_containers

SCORE = """
import os, pathlib
from greeting import HELLO

def init():
    pass

def run(raw_data):
    model = pathlib.Path(os.environ["AZUREML_MODEL_DIR"])
    try:
        (model / "scratch").write_text("x")
        writable = True
    except OSError:
        writable = False
    return {
        "hello": HELLO, "model": str(model), "content": (model / "weights.txt").read_text(), "writable": writable,
        "root": os.environ["AML_APP_ROOT"], "user": os.getuid(), "secret": os.environ["SECRET"],
    }
"""
FAILS = """
def init():
    raise ValueError("the author said so")

def run(raw_data):
    pass
"""
SERVER = """
import http.server, json, os, pathlib, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path in ("/live", "/ready") else 404, {"path": self.path})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if body == b"eat":
            eaten = bytearray(os.urandom(1)) * 10**9
        found = sorted(str(p.relative_to("/models")) for p in pathlib.Path("/models").rglob("*") if p.is_file())
        cgroup = {}
        for name, places in {
            "memory": ("memory.max", "memory/memory.limit_in_bytes"), "cpu": ("cpu.max", "cpu/cpu.cfs_quota_us")
        }.items():
            for place in places:
                if os.path.exists(f"/sys/fs/cgroup/{place}"):
                    cgroup[name] = pathlib.Path(f"/sys/fs/cgroup/{place}").read_text().split()[0]
        self.answer(200, {"path": self.path, "models": found, **cgroup})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

health = http.server.ThreadingHTTPServer(("", 8001), Handler)
threading.Thread(target=health.serve_forever, daemon=True).start()
print("the server's own log line", flush=True)
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
ROUTES = {
    "liveness_route": {"port": 8001, "path": "/live"},
    "readiness_route": {"port": 8001, "path": "/ready"},
    "scoring_route": {"port": 8000, "path": "/v2/models/fraud/infer"},
}
QUICK = {"initial_delay": 0, "period": 1, "timeout": 2, "failure_threshold": 60}
OWN = "fraud.own"


@pytest.fixture(scope="module")
def tool() -> Tool:
    return a_tool()


@pytest.fixture(scope="module")
def caller(platform: Platform) -> Generator[Caller]:
    with a_caller(platform, "fraud") as caller:
        yield caller


@pytest.fixture(scope="module")
def platform(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    """Endpoint `fraud` with `azure`, an image that extends the base and comes from a registry, and `own`, which is
    built from a Dockerfile and has a server of its own."""
    folder = tmp_path_factory.mktemp("containers")
    base = a_base_image()
    with a_registry(folder / "registry") as registry, a_platform(folder / "home") as platform:
        write(folder / "image" / "Dockerfile", f"FROM {base}\nCOPY greeting.py /var/azureml-app/extra/\n")
        write(folder / "image" / "greeting.py", "HELLO = 'hello from the image'\n")
        image = f"{registry.address}/team/fraud:1"
        platform.run(
            "image", "build", "-f", folder / "image" / "Dockerfile", "-t", "localhost/fraud:1", "--push", image
        )
        platform.run("online-endpoint", "create", "-f", write_endpoint(folder, "fraud"))
        write(folder / "code" / "sub" / "score.py", SCORE)
        write(folder / "weights.txt", "0.5")
        azure = {
            "model": {"path": "./weights.txt", "name": "fraud", "version": "7"},
            "code_configuration": {"code": "./code", "scoring_script": "sub/score.py"},
            "environment": {"image": image},
            "environment_variables": {"SECRET": "very ' secret", "PYTHONPATH": "/var/azureml-app/extra"},
        }
        deploy(platform, folder, "azure", azure)
        write(folder / "own" / "Dockerfile", f'FROM {base}\nCOPY server.py /\nENTRYPOINT ["python3", "/server.py"]\n')
        write(folder / "own" / "server.py", SERVER)
        write(folder / "repository" / "fraud" / "1" / "model.bin", "weights")
        own = {
            "model": {"path": "./repository", "type": "triton_model"},
            "model_mount_path": "/models",
            "environment": {"build": {"path": "./own"}, "inference_config": ROUTES},
            "resources": {"limits": {"cpu": "0.5", "memory": "200Mi"}},
            "readiness_probe": QUICK,
        }
        deploy(platform, folder, "own", own)
        yield platform


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def deploy(platform: Platform, folder: Path, name: str, spec: dict[str, Any]) -> None:
    file = folder / f"{name}.yml"
    file.write_text(json.dumps({"name": name, "endpoint_name": "fraud", **spec}))
    platform.run("online-deployment", "create", "-f", file)


def ask(caller: Caller, deployment: str, body: str = "{}") -> Any:
    answer = caller.score(body, azureml_model_deployment=deployment)
    assert answer.status_code == 200, answer.text
    return answer.json()


def serves(caller: Caller, deployment: str) -> bool:
    return caller.served(azureml_model_deployment=deployment)


def command_lines() -> list[str]:
    """Those of all processes of this machine."""
    lines: list[str] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return lines


def containers(tool: Tool, platform: Platform, deployment: str) -> list[str]:
    """Names of the containers of a deployment, running or not."""
    return [name for name in owned_containers(tool, str(platform.home)).values() if f"-fraud.{deployment}." in name]


def test_an_image_from_a_registry_runs_azures_layout_by_its_digest(platform: Platform, caller: Caller) -> None:
    found = ask(caller, "azure")
    assert found["hello"] == "hello from the image"
    assert found["model"] == "/var/azureml-app/azureml-models/fraud/7"
    assert (found["content"], found["root"]) == ("0.5", "/var/azureml-app/code/sub")
    assert (found["writable"], found["user"] == 0, found["secret"]) == (False, False, "very ' secret")
    shown = platform.json("online-deployment", "show", "-n", "azure", "-e", "fraud")
    assert "/team/fraud@sha256:" in shown["environment"]["image"]


def test_secrets_are_on_no_command_line(caller: Caller) -> None:
    assert ask(caller, "azure")["secret"] == "very ' secret"
    assert [line for line in command_lines() if "penstock-" in line]
    assert not [line for line in command_lines() if "very ' secret" in line]


def test_a_server_of_its_own_is_asked_at_its_own_ports_and_paths_within_its_limits(
    platform: Platform, caller: Caller
) -> None:
    found = ask(caller, "own")
    assert found["path"] == "/v2/models/fraud/infer"
    assert found["models"] == ["repository/fraud/1/model.bin"]
    assert (found["memory"], found["cpu"]) == (str(200 * 2**20), "50000")
    log = platform.run("online-deployment", "get-logs", "-n", "own", "-e", "fraud").stdout
    assert "the server's own log line" in log


def test_the_scoring_route_of_what_serves_cannot_be_changed_in_place(platform: Platform) -> None:
    route = "environment.inference_config.scoring_route.path=/v3/infer"
    done = platform.run("online-deployment", "update", "-n", "own", "-e", "fraud", "--set", route, check=False)
    assert "create another deployment" in done.stderr


def test_a_container_that_takes_too_much_memory_is_killed_and_replaced(platform: Platform, caller: Caller) -> None:
    assert caller.score("eat", azureml_model_deployment="own").status_code in (502, 503)
    wait_until(lambda: serves(caller, "own"))
    messages = [e["message"] for e in platform.json("events", "-n", "fraud") if e["reason"] == "InstanceDied"]
    assert any("out of memory; its limit is 200 MiB" in message for message in messages)


def test_a_container_whose_client_is_killed_is_replaced_and_not_left(
    platform: Platform, caller: Caller, tool: Tool
) -> None:
    (client,) = platform.instance_pids(OWN)
    os.kill(client, signal.SIGKILL)
    wait_until(lambda: platform.instance_pids(OWN) not in ([], [client]))
    wait_until(lambda: serves(caller, "own"))
    wait_until(lambda: len(containers(tool, platform, "own")) == 1)


def test_the_next_control_plane_finds_the_containers_that_serve(platform: Platform, caller: Caller) -> None:
    clients = {*platform.instance_pids(OWN), *platform.instance_pids("fraud.azure")}
    platform.kill_control_plane()
    assert serves(caller, "own")
    platform.up()
    assert serves(caller, "own")
    assert ask(caller, "azure")["content"] == "0.5"
    assert {*platform.instance_pids(OWN), *platform.instance_pids("fraud.azure")} == clients


def test_a_script_that_fails_in_an_image_says_why_in_its_authors_words(platform: Platform, tmp_path: Path) -> None:
    write(tmp_path / "code" / "score.py", FAILS)
    spec = {
        "name": "bad",
        "endpoint_name": "fraud",
        "code_configuration": {"code": "./code", "scoring_script": "score.py"},
        "environment": platform.json("online-deployment", "show", "-n", "azure", "-e", "fraud")["environment"],
    }
    write(tmp_path / "bad.yml", json.dumps(spec))
    done = platform.run("online-deployment", "create", "-f", tmp_path / "bad.yml", check=False)
    assert done.returncode != 0
    assert "the author said so" in done.stderr
    assert "score.py" in done.stderr


def test_nothing_is_left_of_deployments_and_platform(platform: Platform, tool: Tool) -> None:
    platform.run("online-deployment", "delete", "-n", "azure", "-e", "fraud", "--yes")
    wait_until(lambda: containers(tool, platform, "azure") == [])
    (client,) = platform.instance_pids(OWN)
    platform.kill_control_plane()
    os.kill(client, signal.SIGKILL)
    assert len(containers(tool, platform, "own")) == 1
    platform.down()
    assert containers(tool, platform, "own") == []
    platform.up()

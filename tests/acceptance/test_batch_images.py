"""Batch jobs of a deployment in an image of one's own, with a program that this machine does not have."""

import functools
import json
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.batch_jobs import Jobs, the_files
from support.callers import an_api
from support.containers import a_base_image, a_plain_image, a_tool
from support.running import Platform, a_platform, wait_until

from penstock.containers.tool import Tool
from penstock.engines.container import owned_containers

DOCKERFILE = """\
FROM {base}
USER root
RUN printf '#!/bin/sh\\nwc -c <"$1"\\n' >/usr/local/bin/weigh-file && chmod 755 /usr/local/bin/weigh-file
USER 1001:1001
"""
SCRIPT = """
import os, pathlib, subprocess, time

def init():
    print("the author's own words")

def run(mini_batch):
    time.sleep(0.5)
    weights = [subprocess.check_output(["weigh-file", path], text=True).strip() for path in mini_batch]
    return [f"{os.path.basename(path)} {weight} {os.getuid()}" for path, weight in zip(mini_batch, weights)]
"""
FILES = 24


@dataclass(frozen=True)
class World:
    platform: Platform
    jobs: Jobs
    tool: Tool
    folder: Path

    def containers(self, job: str) -> list[str]:
        names = owned_containers(self.tool, str(self.platform.home)).values()
        return sorted(name for name in names if f"-job.{job}." in name)

    def deploy(self, name: str, environment: dict[str, Any], check: bool = True) -> str:
        """What was said of it."""
        spec = {
            "name": name,
            "endpoint_name": "weights",
            "code_configuration": {"code": "./code", "scoring_script": "weigh.py"},
            "environment": environment,
            "settings": {"mini_batch_size": 2, "max_concurrency_per_instance": 2},
        }
        (self.folder / f"{name}.yml").write_text(json.dumps(spec))
        return self.platform.run("batch-deployment", "create", "-f", self.folder / f"{name}.yml", check=check).stderr


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    folder = tmp_path_factory.mktemp("batch-images")
    tool, base = a_tool(), a_base_image()
    the_files(folder, [("code/weigh.py", SCRIPT), ("image/Dockerfile", DOCKERFILE.format(base=base))])
    (folder / "endpoint.yml").write_text(json.dumps({"name": "weights"}))
    with a_platform(folder / "home") as platform, an_api(platform) as api:
        platform.run("batch-endpoint", "create", "-f", folder / "endpoint.yml")
        world = World(platform, Jobs(platform, "weights", api), tool, folder)
        world.deploy("own", {"build": {"path": "./image"}})
        yield world


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return the_files(tmp_path / "data", [(f"{n % 3}/file-{n:02d}.txt", "x" * n) for n in range(FILES)])


def weights(lines: list[str]) -> list[list[str]]:
    return sorted(line.split()[:2] for line in lines)


EXPECTED = [[f"file-{n:02d}.txt", str(n)] for n in range(FILES)]


def test_containers_are_killed_and_every_file_is_scored_once_with_the_images_programs(
    world: World, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "wanted" / "there"
    world.jobs.begin("killed", data, "own", output_path=str(output))
    wait_until(lambda: world.jobs.status("killed")["progress"]["files_done"] > 2)
    first, *_ = world.containers("killed")
    assert world.tool.ask("kill", "--signal", "KILL", first).status == 0
    status = world.jobs.until("killed")
    assert status["state"] == "Completed", status
    lines = (output / "predictions.csv").read_text().splitlines()
    assert weights(lines) == EXPECTED
    assert not any(line.endswith(" 0") for line in lines) or os.getuid() != 0
    assert (output / "predictions.csv").stat().st_uid == os.getuid()
    assert os.listdir(output) == ["predictions.csv"]
    assert "the author's own words" in world.jobs.log("killed", "user/stdout/node0/process000.stdout.txt")
    wait_until(lambda: world.containers("killed") == [])


def test_what_is_fetched_from_another_machine_is_read_in_containers(world: World, data: Path) -> None:
    with a_web_server(data) as url:
        there = {"x": {"path": f"{url}/2/file-05.txt", "type": "uri_file"}}
        world.jobs.begin("fetched", data, "own", inputs=there)
        assert world.jobs.until("fetched")["state"] == "Completed"
    assert weights(world.jobs.written("fetched")) == [["file-05.txt", "5"]]


@contextmanager
def a_web_server(folder: Path) -> Generator[str]:
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_links_that_lead_out_of_the_input_are_named_before_anything_is_scored(world: World, data: Path) -> None:
    (data / "inner.txt").symlink_to(data / "0" / "file-03.txt")
    world.jobs.begin("linked", data, "own")
    assert world.jobs.until("linked")["state"] == "Completed"
    assert ["inner.txt", "3"] in weights(world.jobs.written("linked"))
    (data / "outer.txt").symlink_to("/etc/hostname")
    world.jobs.begin("astray", data, "own")
    status = world.jobs.until("astray")
    assert (status["state"], status["progress"]["files_done"]) == ("Failed", 0)
    assert "outer.txt leads to /etc/hostname" in status["message"]


def test_an_image_without_the_worker_never_gets_a_job_and_the_remedy_is_said(world: World) -> None:
    assert "`penstock image base`" in world.deploy("plain", {"image": a_plain_image()}, check=False)

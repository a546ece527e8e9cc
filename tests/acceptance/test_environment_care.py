"""Environments on a running platform: models cannot write to them, and those that nothing uses can be removed."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from support.load import Load
from support.running import Platform, a_platform, wait_until, write_deployment, write_endpoint

WRITER = """
import os
import six

def init():
    global said
    place = six.__file__
    said = [place, *map(attempt, (
        lambda: open(place, "a").write("spoilt"),
        lambda: open(os.path.join(os.path.dirname(place), "new.py"), "w"),
        lambda: os.remove(place),
    ))]

def attempt(deed):
    try:
        deed()
    except OSError as error:
        return type(error).__name__
    return "done"

def run(raw_data):
    return said
"""
DAYS = 24 * 3600


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    folder = tmp_path_factory.mktemp("care")
    with a_platform(folder / "home") as platform:
        platform.run("online-endpoint", "create", "-f", write_endpoint(folder, "care"))
        yield platform


def deploy(platform: Platform, folder: Path, name: str, *packages: str, traffic: bool = False) -> None:
    extra = {"environment": {"requirements": list(packages)}}
    file = write_deployment(folder, "care", name, script=WRITER, extra=extra)
    platform.run("online-deployment", "create", "-f", file, *(["--all-traffic"] if traffic else []))


def environment_of(platform: Platform, name: str) -> Path:
    """The folder of the environment that the deployment's instance runs from."""
    (pid,) = platform.instance_pids(f"care.{name}")
    python = Path(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode())
    return python.parent.parent


def test_a_model_cannot_write_to_its_environment_or_to_what_it_shares_with_others(platform, tmp_path):
    permitted = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
    if os.geteuid() == 0 and not permitted:
        pytest.skip("this root may not mount anything, so nothing keeps it from writing")
    deploy(platform, tmp_path, "writer", "six", traffic=True)
    deploy(platform, tmp_path, "other", "six", "packaging")
    place, *outcomes = platform.score("care").json()
    assert all(outcome in ("PermissionError", "OSError") for outcome in outcomes), outcomes
    assert Path(place).is_relative_to(environment_of(platform, "writer"))
    shared = next(environment_of(platform, "other").glob("lib/python*/site-packages/six.py"))
    assert "spoilt" not in shared.read_text()


def test_environments_that_nothing_uses_are_removed_when_asked(platform, tmp_path):
    deploy(platform, tmp_path, "kept", "six")
    deploy(platform, tmp_path, "gone", "six", "idna")
    kept, gone = environment_of(platform, "kept"), environment_of(platform, "gone")
    platform.run("online-deployment", "delete", "-e", "care", "-n", "gone", "--yes")
    long_ago = time.time() - 40 * DAYS
    for folder in (kept, gone):
        os.utime(folder / ".complete", (long_ago, long_ago))
    previewed = platform.json("environment", "prune", "--older-than", "30d", "--dry-run")
    assert [one["fingerprint"] for one in previewed] == [gone.name]
    assert gone.exists()
    assert platform.json("environment", "prune") == previewed
    assert previewed[0]["bytes"] > 0
    assert kept.exists()
    assert not gone.exists()
    assert platform.json("environment", "prune", "--older-than", "0s") == []
    refused = platform.run("environment", "prune", "--older-than", "soon", check=False)
    assert refused.returncode == 2
    assert "write for example 30d" in refused.stderr


def test_a_damaged_environment_is_built_again_while_its_instances_go_on_serving(platform, tmp_path):
    deploy(platform, tmp_path, "served", "six", "toml", traffic=True)
    before = platform.instance_pids("care.served")
    module = next(environment_of(platform, "served").glob("lib/python*/site-packages/toml/__init__.py"))
    module.parent.chmod(0o755)
    module.unlink()
    platform.kill_control_plane()
    platform.up()
    headers = {"Authorization": f"Bearer {platform.key('care')}"}
    with Load(platform.gateway_port, "/endpoints/care/score", headers, connections=1, pause=0.02) as load:
        wait_until(module.exists)
        wait_until(lambda: platform.seen("online-endpoints/care/deployments/served")["status"]["ready_instances"])
    assert not load.failures(), load.summary()
    assert platform.instance_pids("care.served") == before

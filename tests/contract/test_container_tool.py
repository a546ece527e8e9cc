"""Finding podman or docker among programs that say what real ones say."""

import json
from collections.abc import Mapping
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest

from penstock.containers.tool import find_tool
from penstock.domain.errors import Code, PenstockError

PODMAN_INFO = {"host": {"security": {"rootless": True}, "ociRuntime": {"name": "runc"}}, "version": {"Version": "5.1"}}
NO_ENGINE = {"ServerVersion": "", "ServerErrors": ["Cannot connect"]}


def a_program(folder: Path, name: str, version: str, info: Mapping[str, object], errors: str = "") -> Path:
    """A program that answers `--version` and `info`, and otherwise prints its environment."""
    program = folder / name
    program.write_text(
        "#!/bin/sh\n"
        f'case "$*" in --version) echo "{version}";; *info*) echo \'{json.dumps(info)}\'; echo "{errors}" >&2;;\n'
        "*sleep*) sleep 600;; *) env;; esac\n"
    )
    program.chmod(0o755)
    return program


def environ(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}


@pytest.fixture
def both(tmp_path: Path) -> Path:
    a_program(tmp_path, "podman", "podman version 5.1", PODMAN_INFO)
    a_program(
        tmp_path, "docker", "Docker version 28.0, build 1", {"ServerVersion": "28.0", "InitBinary": "docker-init"}
    )
    return tmp_path


def test_podman_is_preferred_and_docker_can_be_asked_for(both: Path) -> None:
    found = find_tool(environ(both))
    assert (found.name, found.version, found.rootless) == ("podman", "5.1", True)
    assert found.binary == both / "podman"
    for wanted in ("docker", str(both / "docker")):
        docker = find_tool(environ(both), wanted)
        assert (docker.name, docker.version, docker.network, docker.init) == ("docker", "28.0", "bridge", True)


def test_a_network_that_is_asked_for_is_taken(both: Path) -> None:
    assert find_tool(environ(both), network="host").network == "host"


def test_a_program_called_docker_that_is_podman_is_used_as_podman(tmp_path: Path) -> None:
    program = a_program(tmp_path, "docker", "podman version 5.1", PODMAN_INFO)
    assert find_tool(environ(tmp_path), str(program)).name == "podman"


def test_a_docker_client_without_an_engine_counts_as_not_there(tmp_path: Path) -> None:
    a_program(tmp_path, "docker", "Docker version 28.0, build 1", NO_ENGINE, "Is the docker daemon running?")
    with pytest.raises(PenstockError) as refused:
        find_tool(environ(tmp_path), "docker")
    assert refused.value.code is Code.UNAVAILABLE
    assert f"{tmp_path}/docker has no engine (Is the docker daemon running?)" in refused.value.message


def test_what_to_install_is_said_where_nothing_is_there(tmp_path: Path) -> None:
    with pytest.raises(PenstockError) as refused:
        find_tool(environ(tmp_path), "no-such-tool")
    assert refused.value.code is Code.UNAVAILABLE
    assert refused.value.message.startswith("PENSTOCK_CONTAINER_TOOL=no-such-tool: no-such-tool is not there")
    assert "apt install podman" in refused.value.message


def test_another_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match="is neither podman nor docker"):
        find_tool(environ(tmp_path), "/bin/true")


def test_the_tool_gets_credentials_and_proxies_and_nothing_of_the_platforms_own(both: Path) -> None:
    more = {"REGISTRY_AUTH_FILE": "/a.json", "https_proxy": "http://p", "PENSTOCK_TOKEN": "secret", "AWS_KEY": "secret"}
    log = StringIO()
    assert find_tool({**environ(both), **more}).run("env", log=log, limit=timedelta(seconds=30)) == 0
    assert "REGISTRY_AUTH_FILE=/a.json\n" in log.getvalue()
    assert "https_proxy=http://p\n" in log.getvalue()
    assert "secret" not in log.getvalue()


def test_a_tool_that_does_not_end_is_killed_and_named(both: Path) -> None:
    with pytest.raises(PenstockError, match=r"`podman sleep` did not end within 0:00:00\.2") as late:
        find_tool(environ(both)).ask("sleep", limit=timedelta(seconds=0.2))
    assert late.value.code is Code.UNAVAILABLE

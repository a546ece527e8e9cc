"""What a container is run with: its limits and isolation, its user, and nothing secret on the command line."""

import itertools
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.containers.tool import Tool
from penstock.domain.errors import PenstockError
from penstock.engines.base import Container, Mount, ProcessSpec
from penstock.engines.container_command import (
    NOBODY,
    ContainerFiles,
    Operator,
    client_command,
    container_name,
    environment_file,
    gpu_fault,
    user_of,
)

PODMAN = Tool(
    name="podman",
    binary=Path("/usr/bin/podman"),
    version="4.3.1",
    rootless=False,
    network="slirp4netns",
    init=True,
    options=("--runtime", "runc"),
    limits=("--ulimit", "nofile=100:100"),
)
DOCKER = replace(PODMAN, name="docker", binary=Path("/usr/bin/docker"), network="bridge", options=(), limits=())
FILES = ContainerFiles(folder=Path("/ho me,1/containers"), environment="a.env", id="a.id")
CONTAINER = Container(
    image="registry/fraud@sha256:00",
    ports={40001: 8000},
    mounts=(Mount(source=Path('/ho me,1/"apps"'), target="/models"),),
    user="",
    memory_bytes=2**20,
    cpus=0.5,
    gpus=2,
)


def command(tool: Tool = PODMAN, **changes: object) -> list[str]:
    """The words of the command that becomes the client."""
    spec = ProcessSpec(
        name="a", argv=("serve",), environment={"KEY": "secret"}, folder=Path("/"), log=Path("/l"), container=CONTAINER
    )
    operator = Operator(tool=tool, owner="/home", uid=0, gid=0)
    script = client_command(spec, replace(CONTAINER, **changes), operator, FILES)  # type: ignore[arg-type]
    assert "secret" not in script
    return shlex.split(script.partition("; exec ")[2])


def after(words: list[str], flag: str) -> list[str]:
    return [value for name, value in itertools.pairwise(words) if name == flag]


@pytest.mark.parametrize("tool", [PODMAN, DOCKER], ids=["podman", "docker"])
def test_a_container_gets_no_more_than_it_needs(tool: Tool) -> None:
    words = command(tool)
    assert {"--read-only", "--rm", "--init"} <= set(words)
    assert after(words, "--cap-drop") == ["all"]
    assert "no-new-privileges" in after(words, "--security-opt")
    assert after(words, "--user") == [NOBODY]
    assert (after(words, "--memory"), after(words, "--memory-swap")) == ([str(2**20)], [str(2**20)])
    assert after(words, "--cpus") == ["0.5"]
    assert after(words, "--publish") == ["127.0.0.1:40001:8000"]
    assert after(words, "--network") == [tool.network]
    assert after(words, "--mount") == ['type=bind,"source=/ho me,1/""apps""",target=/models,readonly']
    assert (after(words, "--entrypoint"), words[-1]) == (["serve"], "registry/fraud@sha256:00")
    assert not after(words, "--cpu-shares")


def test_a_container_that_gives_way_gets_a_third_of_what_others_get() -> None:
    assert after(command(gives_way=True), "--cpu-shares") == [str(1024 // 3)]
    assert not after(command(replace(PODMAN, rootless=True), gives_way=True), "--cpu-shares")


def test_gpus_are_asked_for_in_the_tools_own_words() -> None:
    assert after(command(DOCKER), "--gpus") == ["2"]
    assert after(command(PODMAN), "--device") == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]
    assert not after(command(PODMAN, gpus=0), "--device")


def test_on_the_hosts_own_network_nothing_is_published() -> None:
    assert not after(command(replace(PODMAN, network="host")), "--publish")


def test_what_is_left_of_the_container_goes_before_it_starts() -> None:
    operator = Operator(tool=PODMAN, owner="/home", uid=0, gid=0)
    spec = ProcessSpec(name="a", argv=(), environment={}, folder=Path("/"), log=Path("/l"), container=CONTAINER)
    script = client_command(spec, CONTAINER, operator, FILES)
    assert script.startswith("cd '/ho me,1/containers' && /usr/bin/podman --runtime runc rm --force ")
    assert f" {container_name('/home', 'a')} >/dev/null" in script


def test_two_platforms_may_have_an_instance_of_the_same_name() -> None:
    assert container_name("/home/one", "fraud.blue.1.0") != container_name("/home/two", "fraud.blue.1.0")


@pytest.mark.parametrize(
    ("uid", "rootless", "image_user", "user"),
    [
        pytest.param(0, False, "", NOBODY, id="nobody where the image says nothing"),
        pytest.param(0, False, "root:root", NOBODY, id="nobody instead of root"),
        pytest.param(0, False, "1001:1001", "1001:1001", id="the image's own user"),
        pytest.param(1000, False, "1001", "1000:1000", id="the platform's user, who may read its files"),
        pytest.param(1000, True, "1001", "0:0", id="that user's name inside, where the tool runs without root"),
    ],
)
def test_the_user_is_never_the_hosts_root(uid: int, rootless: bool, image_user: str, user: str) -> None:
    operator = Operator(tool=replace(PODMAN, rootless=rootless), owner="/home", uid=uid, gid=uid)
    assert user_of(replace(CONTAINER, user=image_user), operator) == user


def test_variables_go_by_a_file_line_by_line() -> None:
    assert environment_file({"A": 'x="1" \'#', "HOME": "/data"}) == 'HOME=/data\nA=x="1" \'#\n'
    assert environment_file({}) == "HOME=/tmp\n"


@pytest.mark.parametrize(
    "variables", [{"A": "two\nlines"}, {"A\nB": ""}, {"#A": ""}, {"": "x"}, {"A*": ""}, {"A": "x" * 70_000}]
)
def test_what_such_a_file_cannot_hold_is_refused_by_its_name(variables: dict[str, str]) -> None:
    with pytest.raises(PenstockError, match="environment variable"):
        environment_file(variables)


def test_missing_gpus_are_named_with_the_remedy(tmp_path: Path) -> None:
    assert "no NVIDIA GPU" in str(gpu_fault(PODMAN, tmp_path))
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidiactl").touch()
    assert gpu_fault(DOCKER, tmp_path) is None
    assert "nvidia-ctk cdi generate" in str(gpu_fault(PODMAN, tmp_path))
    (tmp_path / "etc" / "cdi").mkdir(parents=True)
    (tmp_path / "etc" / "cdi" / "nvidia.yaml").touch()
    assert gpu_fault(PODMAN, tmp_path) is None

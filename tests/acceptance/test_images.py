"""Images of one's own: Penstock's base image, what is built from it, and registries."""

import base64
import json
import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import trustme
from support.containers import Registry, a_base_image, a_registry, a_root_file_system, a_tool
from support.running import Platform, a_platform, wait_until

from penstock.containers.images import Images
from penstock.containers.tool import Tool
from penstock.domain.errors import Code, PenstockError

OURS = "localhost/penstock-tests"
# As people have them for Azure, but for the name after FROM.
AZURES = """\
FROM {base}

USER root:root
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*

USER dockeruser
COPY requirements.txt requirements.txt
RUN pip install --quiet -r requirements.txt
"""
LOOKS = """
import ctypes, json, os, pathlib, sys
import iniconfig, penstock_worker
ctypes.CDLL("libgomp.so.1")
left = [p for p in ("/etc/pip.conf", "/run/penstock/certificates.crt") if os.path.exists(p) and os.path.getsize(p)]
names = ("AML_APP_ROOT", "AZUREML_MODEL_DIR", "PENSTOCK_LISTEN")
print(json.dumps({"python": sys.executable, "uid": os.getuid(), "left": left, **{n: os.environ[n] for n in names}}))
"""
PASSWORD = "a password"
BCRYPT = "$2b$04$a8WuJnShOA8dQOA2PeK5Ee61tXNy8p0VLR0QAjD0luJWFTckxPWRm"  # of it


@pytest.fixture(scope="module")
def tool() -> Generator[Tool]:
    """The container tool, without the images that these tests build."""
    found = a_tool()
    yield found
    remove(found, f"{OURS}/*-made")


@pytest.fixture(scope="module")
def user(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Somebody who types `penstock image`, on a machine without a platform."""
    return Platform(tmp_path_factory.mktemp("images") / "home")


@pytest.fixture(scope="module")
def images(tool: Tool, user: Platform) -> Images:
    return Images(tool, user.home / "images", os.environ)


@pytest.fixture(scope="module")
def registry(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Generator[Registry]:
    with a_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running
    remove(tool, f"{running.address}/*/*")


@pytest.fixture(scope="module")
def azures(user: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Azure's Dockerfile in its folder."""
    folder = tmp_path_factory.mktemp("azures")
    (folder / "Dockerfile").write_text(AZURES.format(base=a_base_image()))
    (folder / "requirements.txt").write_text("iniconfig==2.0.0\n")
    return folder


@pytest.fixture(scope="module")
def pushed(user: Platform, registry: Registry, azures: Path) -> str:
    """The digest reference of an image that was built from it and pushed."""
    name = f"{registry.address}/team/wine:1"
    return user.json("image", "build", "-f", azures / "Dockerfile", "-t", f"{OURS}/wine-made:1", "--push", name)[
        "image"
    ]


def an_image(tag: str, user: Platform, folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text("\n".join((f"FROM {a_base_image()}", *lines, "")))
    return user.run("image", "build", "-f", folder / "Dockerfile", "-t", tag, check=False)


def test_the_base_image_says_what_it_is(user: Platform) -> None:
    base = a_base_image()
    (listed,) = [image for image in user.json("image", "list") if image["tag"] == base]
    assert listed["worker_version"]
    assert "@sha256:" in listed["image"]


def test_a_base_that_is_there_is_not_built_again(user: Platform) -> None:
    done = user.run("image", "base", "--from", "scratch", "--rootfs", a_root_file_system(), "--tag", a_base_image())
    assert "STEP" not in done.stderr


def test_azures_dockerfiles_need_another_from_line_and_nothing_else(tool: Tool, images: Images, pushed: str) -> None:
    images.pull(pushed, StringIO())
    hardened = ("--read-only", "--cap-drop", "all", "--network", "none", *tool.limits)
    done = tool.ask("run", "--rm", *hardened, "--entrypoint", "python", pushed, "-c", LOOKS)
    assert json.loads(done.output or "{}") == {
        "python": "/opt/penstock/bin/python",
        "uid": 1001,
        "left": [],
        "AML_APP_ROOT": "/var/azureml-app",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models",
        "PENSTOCK_LISTEN": "0.0.0.0:5001",
    }, done.errors


def test_a_pushed_image_is_the_same_wherever_it_is_fetched(
    tool: Tool, images: Images, pushed: str, registry: Registry
) -> None:
    name = pushed.partition("@")[0]
    assert name == f"{registry.address}/team/wine"
    assert images.resolve(f"{name}:1") == pushed  # although the image has another digest where it was built
    remove(tool, name)
    assert not images.present(pushed)
    images.pull(pushed, StringIO())
    assert images.present(pushed)


def test_an_image_of_this_machine_is_taken_while_its_registry_is_down(
    tool: Tool, images: Images, user: Platform, tmp_path: Path
) -> None:
    with a_registry(tmp_path / "registry") as gone:
        name = f"{gone.address}/team/base:1"
        tool.ask("tag", a_base_image(), name)
    try:
        assert images.resolve(name).startswith(f"{gone.address}/team/base@sha256:")
    finally:
        tool.ask("rmi", name)


def test_an_image_that_no_registry_has_is_named(images: Images, registry: Registry) -> None:
    for name in (f"{registry.address}/team/nothing:1", f"{OURS}/nothing:1"):
        with pytest.raises(PenstockError, match=f"image '{name}' is not") as refused:
            images.resolve(name)
        assert refused.value.code is Code.NOT_FOUND


def test_a_registry_with_tls_and_a_password_is_used_with_the_users_own_certificates_and_credentials(
    user: Platform, tmp_path: Path, tool: Tool
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "htpasswd").write_text(f"me:{BCRYPT}\n")
    tls = {"tls": {"certificate": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.pem")}}
    auth = {"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}}
    with a_registry(tmp_path / "registry", tls, auth=auth) as registry:
        login = {"auth": base64.b64encode(f"me:{PASSWORD}".encode()).decode()}
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {registry.address: login}}))
        (tmp_path / "Dockerfile").write_text(f"FROM {a_base_image()}\n")
        command = ("image", "build", "-f", tmp_path / "Dockerfile", "-t", f"{OURS}/secret-made:1", "--tls-verify")
        push = ("--push", f"{registry.address}/team/secret:1")
        trusted = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        known = {**trusted, "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
        said = {}
        for case, variables in {"untrusted": {}, "unknown": trusted, "known": known}.items():
            said[case] = Platform(user.home, variables).run(*command, *push, check=False)
    assert "certificate is not trusted (x509: certificate signed by unknown authority)" in said["untrusted"].stderr
    assert "needs credentials of its registry" in said["unknown"].stderr
    assert json.loads(said["known"].stdout)["image"].startswith(f"{registry.address}/team/secret@sha256:")
    assert PASSWORD not in "".join(done.stderr + done.stdout for done in said.values())


def test_a_step_that_fails_is_named_with_what_it_said(user: Platform, tmp_path: Path) -> None:
    done = an_image(f"{OURS}/bad-made:1", user, tmp_path, "RUN echo the reason; exit 7")
    assert done.returncode == 1
    assert (
        f"image '{OURS}/bad-made:1' cannot be built: 'RUN echo the reason; exit 7' ended with exit code 7"
        in done.stderr
    )
    assert "the reason" in done.stderr


def test_what_a_killed_build_left_is_ended_by_the_next(user: Platform, tool: Tool, tmp_path: Path) -> None:
    mark, start = f"777.{uuid4().int % 10**9}", f"{OURS}/killed-made:1"
    tool.ask("tag", a_base_image(), start)
    (tmp_path / "Dockerfile").write_text(f"FROM {start}\nRUN sleep {mark}\n")
    building = user.begin("image", "build", "-f", tmp_path / "Dockerfile", "-t", f"{OURS}/slow-made:1")
    try:
        wait_until(lambda: running(mark))
    finally:
        building.send_signal(signal.SIGKILL)
        building.communicate()
    assert an_image(f"{OURS}/slow-made:1", user, tmp_path, "LABEL a=b").returncode == 0
    wait_until(lambda: not running(mark))
    assert not list((user.home / "images").glob("penstock-build-*"))
    left = tool.ask("ps", "--all", "--external", "--format", "{{.Names}}").output.split()
    tool.ask("rm", "--force", *(name for name in left if name.startswith("killed-made")))
    tool.ask("rmi", start)


def test_two_builds_of_one_image_are_one_build(user: Platform, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {a_base_image()}\nLABEL unique={uuid4().hex}\n")
    command = ("image", "build", "-f", tmp_path / "Dockerfile", "-t", f"{OURS}/twice-made:1")
    both = [user.begin(*command) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("STEP" in text for text in said) == [False, True]


def test_an_environment_file_becomes_an_image_and_a_registered_environment(
    user: Platform, registry: Registry, tmp_path: Path
) -> None:
    conda = {"dependencies": ["python=3.11", {"pip": ["iniconfig==2.0.0"]}]}
    (tmp_path / "environment.yml").write_text(json.dumps({"image": a_base_image(), "conda_file": conda}))
    source = ("-f", tmp_path / "environment.yml", "-t", f"{OURS}/env-made:1")
    with a_platform(tmp_path / "home") as platform:
        name = f"{registry.address}/team/env:1"
        built = platform.json("image", "build", *source, "--push", name, "--name", "wine", "--version", "4")
        shown = platform.json("environment", "show", "-n", "wine", "--version", "4")
    assert built["environment"] == "azureml:wine:4"
    assert shown["image"] == built["image"]
    refused = user.run("image", "build", *source, "--name", "wine", check=False)
    assert refused.returncode == 5
    assert "STEP" not in refused.stderr


def test_the_install_line_is_said_where_no_tool_is_there(user: Platform, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    elsewhere = Platform(user.home, {"PENSTOCK_CONTAINER_TOOL": "no-such-tool"})
    done = elsewhere.run("image", "list", check=False)
    assert done.returncode == 5
    assert "apt install podman" in done.stderr


def remove(tool: Tool, pattern: str) -> None:
    """Remove images by their names, with all the names they have."""
    found = tool.ask("images", "--quiet", "--no-trunc", "--filter", f"reference={pattern}").output.split()
    if found:
        tool.ask("rmi", "--force", *dict.fromkeys(found))


def running(mark: str) -> list[int]:
    """Processes with `mark` among their arguments, containers' included."""
    found: list[int] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if mark in process.cmdline():
                found.append(process.pid)
    return found

"""Whether containers can run on this machine, and what tests of them share: a root file system, images, registries."""

import datetime
import fcntl
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from support.ports import free_port
from support.running import wait_until

from penstock.containers.base_image import root_tag
from penstock.containers.tool import Tool, find_tool
from penstock.domain.errors import PenstockError

# What the root file system has beside the smallest Debian; a change makes a new one.
PACKAGES = ("ca-certificates", "python3", "python3-venv")
BASE_IMAGE = "localhost/penstock-tests/inference:1"
_UNPACKED = Path(__file__).parents[2] / ".uv" / "system" / "usr" / "bin"  # by `make system`
_TRUE = "localhost/penstock-tests/true:1"


def a_tool() -> Tool:
    """The container tool of this machine; skips the test, with the reason, where it cannot run containers."""
    found = _tool()
    if isinstance(found, str):
        pytest.skip(found)
    return found


def a_root_file_system() -> Path:
    """A tar file with a small Debian or Ubuntu, made from packages once a week; skips where that cannot be done."""
    found = _root_file_system()
    if isinstance(found, str):
        pytest.skip(found)
    return found


def a_base_image() -> str:
    """Name of Penstock's base image on this machine, made of that root file system if it is not there."""
    a_tool()
    _base_image(a_root_file_system())
    return BASE_IMAGE


def a_plain_image() -> str:
    """Name of an image of that root file system alone: Python, and nothing that runs by itself."""
    a_base_image()
    return root_tag(a_root_file_system())


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    address: str  # HOST:PORT
    process: subprocess.Popen[bytes]


@contextmanager
def a_registry(folder: Path, http: dict[str, object] | None = None, **more: object) -> Generator[Registry]:
    """A real registry on a free port of this machine. `http` and `more` are parts of its configuration."""
    program = shutil.which("docker-registry", path=os.pathsep.join((os.environ["PATH"], str(_UNPACKED))))
    if program is None:
        pytest.skip("docker-registry is not installed (Debian, Ubuntu: apt install docker-registry)")
    address = f"127.0.0.1:{free_port()}"
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": address, **(http or {})},
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        scheme = "https" if http else "http"
        wait_until(lambda: process.poll() is not None or _answers(f"{scheme}://{address}/v2/"))
        assert process.poll() is None, (folder / "log").read_text()
        yield Registry(address, process)
    finally:
        process.kill()
        process.wait()


@functools.cache
def _tool() -> Tool | str:
    try:
        tool = find_tool(os.environ)
    except PenstockError as error:
        return error.message
    with tempfile.TemporaryDirectory() as folder:
        if tool.ask("image", "inspect", _TRUE).status != 0:
            tool.ask("import", str(_smallest(Path(folder))), _TRUE)
    limits = ("--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "--read-only", "--cap-drop", "all")
    network = ("--network", tool.network)
    done = tool.ask("run", "--rm", *limits, *tool.limits, *network, *(["--init"] * tool.init), _TRUE, "/bin/true")
    if "Resource limits are not supported" in done.errors:
        return f"{tool.name} cannot limit what containers use on this machine, for this user"
    return tool if done.status == 0 else f"{tool.name} cannot run containers on this machine: {done.errors.strip()}"


def _smallest(folder: Path) -> Path:
    """A root file system of `true` and the libraries that it needs."""
    program = Path(shutil.which("true") or "/bin/true")
    needed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout.split()
    with tarfile.open(folder / "true.tar", "w") as archive:
        archive.add(program.resolve(), "bin/true")
        for library in (word for word in needed if word.startswith("/")):
            archive.add(Path(library).resolve(), library.lstrip("/"))
    return folder / "true.tar"


@functools.cache
def _base_image(root: Path) -> None:
    program = [str(Path(sys.executable).with_name("penstock")), "image", "base"]
    with tempfile.TemporaryDirectory() as home, root.with_name("base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [*program, "--from", "scratch", "--rootfs", str(root), "--tag", BASE_IMAGE],
            env={**os.environ, "PENSTOCK_HOME": home},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert done.returncode == 0, done.stderr


@functools.cache
def _root_file_system() -> Path | str:
    program = shutil.which("mmdebstrap")
    system = platform.freedesktop_os_release()
    codename = system.get("VERSION_CODENAME", "")
    if program is None or system.get("ID") not in ("debian", "ubuntu"):
        return "a root file system needs mmdebstrap and Debian or Ubuntu (apt install mmdebstrap)"
    year, week, _ = datetime.datetime.now(datetime.UTC).isocalendar()
    key = hashlib.sha256(" ".join((codename, f"{year}-{week}", *PACKAGES)).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock-tests"
    place = cache / f"root-{key}.tar"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "root.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of one run make one
        if not place.exists():
            fresh = Path(tempfile.mkdtemp(dir=cache)) / "root.tar"
            options = ["--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
            done = subprocess.run(
                [program, *options, codename, str(fresh)], capture_output=True, text=True, timeout=280, check=False
            )
            if done.returncode != 0:
                shutil.rmtree(fresh.parent)
                return f"mmdebstrap cannot make a root file system here: {done.stderr.strip()[-300:]}"
            for old in cache.glob("root-*.tar"):
                old.unlink()
            fresh.rename(place)
            fresh.parent.rmdir()
    return place


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, verify=False, timeout=2).status_code in (200, 401)
    except httpx.HTTPError:
        return False

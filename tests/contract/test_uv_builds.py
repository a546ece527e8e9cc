"""How uv's environments are locked and remembered, and what happens when a build is killed or the disk is full."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import psutil
import pytest
from support.index import an_index

from penstock.domain.environment import Requirements
from penstock.domain.errors import Code, PenstockError
from penstock.environments.uv import UvEnvironments
from penstock.testing.clock import ManualClock

TOOL = "made_up_tool"
LONG_AGO = timedelta(days=400)

BACKEND = """
import zipfile
INFO = "from_git-1.0.dist-info"

def build_wheel(folder, *_):
    name = "from_git-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("from_git.py", "")
        wheel.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\\nName: from-git\\nVersion: 1.0\\n")
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\nRoot-Is-Purelib: true\\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "from-git"
version = "1.0"
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A package cache of these tests' own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def make(tmp_path, cache, clock):
    """Makes what a control plane has: each call is a new one on the same folder."""

    def made(**environ: str) -> UvEnvironments:
        return UvEnvironments(
            tmp_path / "e",
            environ={**os.environ, "UV_CACHE_DIR": str(cache), "UV_HTTP_RETRIES": "0", **environ},
            owner=str(tmp_path),
            curated_file=tmp_path / "curated.yml",
            now=clock.now,
        )

    return made


def version_of_tool(built) -> str:
    code = f"import {TOOL}; print({TOOL}.VERSION)"
    return subprocess.run([built.python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def left_of(environments: UvEnvironments, fingerprint: str) -> list[str]:
    """Names of what a failed build may leave, less what it is meant to."""
    names = {file.name for file in environments.log(fingerprint).parent.iterdir()}
    return sorted(names - {".worker", *(f"{fingerprint}.{kind}" for kind in ("log", "lock", "turn", "failed"))})


def uv_of(owner) -> psutil.Process:
    """The uv that a build of this owner runs."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        for process in psutil.process_iter():
            try:
                if process.environ().get("PENSTOCK_OWNER") == str(owner) and process.name() == "uv":
                    return process
            except psutil.Error:
                continue
    raise AssertionError("no uv came")


def test_a_rebuild_installs_the_versions_of_the_first_build(make, clock):
    with an_index() as index:
        index.add(TOOL, "1.0")
        environments, packages = make(), (f"--extra-index-url http://{index.place}/simple", TOOL)
        build = environments.plan(Requirements(packages=packages))
        assert version_of_tool(environments.ensure(build)) == "1.0"
        index.add(TOOL, "2.0")
        clock.advance(LONG_AGO / 2)
        assert environments.collect((), timedelta(days=30))
        assert version_of_tool(environments.ensure(build)) == "1.0"
        assert "locked before" in environments.log(build.fingerprint).read_text()
        other = environments.plan(Requirements(packages=(*packages, "six")))
        assert version_of_tool(environments.ensure(other)) == "2.0"


def test_a_locked_version_that_is_gone_is_chosen_anew_when_the_user_asks(make, clock):
    with an_index() as index:
        index.add(TOOL, "1.0")
        environments = make()
        build = environments.plan(Requirements(packages=(f"--extra-index-url http://{index.place}/simple", TOOL)))
        environments.ensure(build)
        clock.advance(LONG_AGO / 2)
        environments.collect((), timedelta(days=30))
        index.files.clear()
        index.add(TOOL, "1.1")
        environments = make(UV_NO_CACHE="1")
        with pytest.raises(PenstockError, match=r"locked before: deploy again to have them chosen anew"):
            environments.ensure(build)
        environments.retry(build.fingerprint)
        assert version_of_tool(environments.ensure(build)) == "1.1"


def test_a_hash_that_the_user_gives_must_hold(make):
    environments = make()
    wrong = f"six==1.17.0 --hash=sha256:{'0' * 64}"
    build = environments.plan(Requirements(packages=(wrong,)))
    with pytest.raises(PenstockError, match=r"(?i)hash") as caught:
        environments.ensure(build)
    assert caught.value.code is Code.FAILED
    assert "another file of six==1.17.0" in caught.value.message
    assert left_of(environments, build.fingerprint) == []


def test_a_package_out_of_a_repository_has_no_hash_and_the_log_says_so(make, tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "backend.py").write_text(BACKEND)
    (repository / "pyproject.toml").write_text(PROJECT)
    for command in (("init", "-q"), ("add", "."), ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a")):
        subprocess.run(["git", *command], cwd=repository, check=True)
    environments = make()
    build = environments.plan(Requirements(packages=(f"from-git @ git+{repository.as_uri()}", "six")))
    environments.ensure(build)
    log = environments.log(build.fingerprint)
    assert "without a hash, as there is none for repositories: from-git" in log.read_text()
    locked = log.with_suffix(".lock").read_text()
    assert f"{repository.as_uri()}@" in locked  # and the commit
    assert "six==1.17.0 \\\n    --hash=sha256:" in locked


def test_passwords_in_urls_are_kept_nowhere_and_work_again_in_a_rebuild(make, clock, tmp_path):
    with an_index("me:hush") as index:
        url = f"http://me:hush@{index.place}{index.add(TOOL, '1.0')}"
        build = make().plan(Requirements(packages=(f"{TOOL} @ {url}",)))
        for _ in range(2):
            environments = make(UV_NO_CACHE="1")
            assert version_of_tool(environments.ensure(build)) == "1.0"
            for file in (tmp_path / "e").rglob("*"):
                assert not file.is_file() or b"hush" not in file.read_bytes(), file
            clock.advance(LONG_AGO / 2)
            assert environments.collect((), timedelta(days=30))


def test_a_failure_outlives_the_control_plane_and_what_was_unavailable_is_tried_again_after_a_pause(make, clock):
    packages = ("--index-url http://127.0.0.1:1/simple", "six")
    build = make().plan(Requirements(packages=packages))
    log = make().log(build.fingerprint)

    def tried() -> bool:
        log.unlink(missing_ok=True)
        with pytest.raises(PenstockError, match="could not be reached") as caught:
            make().ensure(build)
        assert caught.value.code is Code.UNAVAILABLE
        return log.exists()

    assert tried()
    assert not tried()
    clock.advance(timedelta(seconds=5))
    assert tried()
    clock.advance(timedelta(seconds=5))
    assert not tried()
    make().retry(build.fingerprint)
    assert tried()


def test_a_killed_uv_is_told_of_and_the_next_try_works(make, clock, tmp_path):
    with an_index() as index, ThreadPoolExecutor() as threads:
        index.add(TOOL, "1.0")
        environments = make()
        build = environments.plan(Requirements(packages=(f"--extra-index-url http://{index.place}/simple", TOOL)))
        index.open.clear()
        building = threads.submit(environments.ensure, build)
        uv_of(tmp_path).kill()
        with pytest.raises(PenstockError, match="uv was killed by signal 9") as caught:
            building.result()
        assert caught.value.code is Code.UNAVAILABLE
        assert left_of(environments, build.fingerprint) == []
        index.open.set()
        clock.advance(timedelta(seconds=5))
        assert version_of_tool(environments.ensure(build)) == "1.0"


@pytest.mark.parametrize("megabytes", [0, 1, 24])
def test_a_full_disk_is_told_of_and_nothing_half_built_stays(make, clock, tmp_path, megabytes):
    with a_disk(tmp_path / "e", megabytes):
        environments = make()
        build = environments.plan(Requirements(packages=("numpy",)))
        with pytest.raises(PenstockError, match="disk") as caught:
            environments.ensure(build)
        assert "full" in caught.value.message
        assert caught.value.code is Code.UNAVAILABLE
        assert left_of(environments, build.fingerprint) == []
        subprocess.run(["mount", "-o", "remount,size=400m", tmp_path / "e"], check=True)
        clock.advance(timedelta(seconds=5))
        environments.ensure(build)


@contextmanager
def a_disk(folder, megabytes):
    """A disk of that size, with room for some kilobytes at least."""
    folder.mkdir()
    size = f"{megabytes}m" if megabytes else "16k"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)

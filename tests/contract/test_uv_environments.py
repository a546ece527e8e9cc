"""What uv's environments hold to beyond the port: crashes, rivals, clashes and secrets."""

import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psutil
import pytest
from support.running import wait_until

from penstock.commands import Surroundings, TimeLimitError, run
from penstock.domain.environment import Requirements
from penstock.domain.errors import Code, PenstockError
from penstock.environments.interpreters import Candidate, Interpreters
from penstock.environments.uv import UvEnvironments

BUILDER = """
import os, sys
from pathlib import Path
from penstock.domain.environment import Requirements
from penstock.environments.interpreters import Candidate, Interpreters
from penstock.environments.uv import UvEnvironments
folder = Path(sys.argv[1])
environments = UvEnvironments(folder / "e", environ=os.environ, owner=str(folder), curated_file=folder / "curated.yml")
print(environments.ensure(environments.plan(Requirements(packages=tuple(sys.argv[2:])))).build_seconds)
"""


def an_environments(folder, **environ: str) -> UvEnvironments:
    return UvEnvironments(
        folder / "e", environ={**os.environ, **environ}, owner=str(folder), curated_file=folder / "curated.yml"
    )


def run_python(python, code: str) -> str:
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def left_running(folder) -> list[int]:
    """Processes that carry the owner's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PENSTOCK_OWNER") == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_the_worker_is_installed_beside_the_packages(tmp_path):
    environments = an_environments(tmp_path)
    built = environments.ensure(environments.plan(Requirements(packages=("six",))))
    code = "import six, penstock_worker.contract, importlib.metadata as m; print(m.version('penstock-worker'))"
    assert run_python(built.python, code) == "0.1.0"


def test_a_clash_with_the_worker_names_both_sides(tmp_path):
    environments = an_environments(tmp_path)
    with pytest.raises(PenstockError) as caught:
        environments.ensure(environments.plan(Requirements(packages=("httptools==0.1.0",))))
    assert caught.value.code is Code.FAILED
    for part in ("penstock-worker", "httptools>=0.5", "httptools==0.1.0"):
        assert part in caught.value.message


@pytest.mark.parametrize(
    "reached",
    [
        "*.log",
        "*.lock",
        "[0-9a-f]*[0-9a-f]/pyvenv.cfg",
        "*/lib/python*/site-packages/six.py",
        "*/lib/python*/site-packages/__pycache__/six.*",
        "*/.manifest",
    ],
)
def test_a_killed_build_is_built_again(tmp_path, reached):
    environments = an_environments(tmp_path)
    build = environments.plan(Requirements(packages=("six", "packaging")))
    with subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(tmp_path), *build.packages], stdout=subprocess.DEVNULL
    ) as builder:
        while builder.poll() is None and not any((tmp_path / "e").glob(reached)):
            time.sleep(0.0005)
        builder.kill()
    wait_until(lambda: not left_running(tmp_path))
    built = environments.ensure(build)
    assert run_python(built.python, "import six, packaging, penstock_worker; print('whole')") == "whole"
    left = {path.name for path in (tmp_path / "e").iterdir()} - {".worker", build.fingerprint}
    assert {name for name in left if not name.startswith(".")} == {
        f"{build.fingerprint}.{kind}" for kind in ("lock", "log", "turn")
    }


def test_a_folder_without_the_marker_is_built_again(tmp_path):
    environments = an_environments(tmp_path)
    build = environments.plan(Requirements(packages=("six",)))
    built = environments.ensure(build)
    folder = built.python.parent.parent
    (folder / ".complete").unlink()
    (folder / "rest-of-a-crash").touch()
    assert environments.built(build.fingerprint) is None
    environments.ensure(build)
    assert environments.built(build.fingerprint) is not None
    assert not (folder / "rest-of-a-crash").exists()


def test_rivals_build_once(tmp_path):
    environments = an_environments(tmp_path)
    build = environments.plan(Requirements(packages=("six",)))
    argv = [sys.executable, "-c", BUILDER, str(tmp_path), *build.packages]
    with (
        ThreadPoolExecutor() as threads,
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other,
    ):
        mine = [threads.submit(environments.ensure, build).result() for _ in range(3)]
        seconds = {float(one.communicate()[0]), float(other.communicate()[0]), *(built.build_seconds for built in mine)}
    assert len(seconds) == 1


def test_passwords_of_indexes_are_neither_shown_nor_left_behind(tmp_path):
    environments = an_environments(tmp_path, UV_HTTP_RETRIES="0")
    packages = ("--index-url https://me:hush@127.0.0.1:1/simple", "six")
    build = environments.plan(Requirements(packages=packages))
    with pytest.raises(PenstockError, match=r"127\.0\.0\.1:1\S* could not be reached") as caught:
        environments.ensure(build)
    assert caught.value.code is Code.UNAVAILABLE
    assert "hush" not in caught.value.message + caught.value.details["log"]
    for file in (tmp_path / "e").rglob("*"):
        assert not file.is_file() or b"hush" not in file.read_bytes()
    assert stat.S_IMODE((tmp_path / "e").stat().st_mode) == 0o700


def test_a_command_that_never_ends_is_killed_with_its_children(tmp_path):
    surroundings = Surroundings(environ={"PENSTOCK_OWNER": str(tmp_path)}, folder=tmp_path, limit=timedelta(seconds=3))
    with (tmp_path / "log").open("w") as log, pytest.raises(TimeLimitError):
        run(["/bin/sh", "-c", "echo begun; sleep 60 & sleep 60"], log, surroundings)
    assert (tmp_path / "log").read_text() == "begun\n"
    wait_until(lambda: not left_running(tmp_path))


def test_a_plan_for_the_platforms_own_python_runs_nothing(tmp_path, monkeypatch):
    environments = an_environments(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", None)
    build = environments.plan(Requirements(packages=("six",)))
    assert build.python.exists()


def test_interpreters_that_do_not_run_or_lie_are_passed_over(tmp_path):
    stand_in, liar = tmp_path / "python3.30", tmp_path / "python3.31"
    stand_in.write_text("#!/bin/sh\nexit 127\n")
    liar.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    stand_in.chmod(0o755)
    liar.chmod(0o755)
    interpreters = Interpreters({"PATH": str(tmp_path)}, "nearest")
    assert interpreters.choose("3.30").interpreter == interpreters.choose(None).interpreter
    with pytest.raises(PenstockError, match=r"python 3\.31 .* there are 3\.\d+, 3\.30, 3\.31"):
        Interpreters({"PATH": str(tmp_path)}, "strict").choose("3.31")


def test_a_virtual_environments_python_leads_to_its_base(tmp_path):
    minor = sys.version_info.minor
    python = tmp_path / f"python3.{minor}"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    found = Interpreters({"PATH": str(tmp_path)}, "nearest").probe(Candidate(python, minor))
    assert found is not None
    assert not found.path.is_relative_to(sys.prefix)

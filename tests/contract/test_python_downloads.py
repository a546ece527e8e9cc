"""Interpreters that are not on the machine: installed by uv in the build, or refused at once and for a while."""

import hashlib
import io
import json
import os
import platform
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.domain.environment import Requirements
from penstock.domain.errors import Code, PenstockError
from penstock.environments.interpreters import Interpreters, PythonRules
from penstock.environments.uv import UvEnvironments
from penstock.testing.clock import ManualClock

MINUTE = timedelta(minutes=1)


def an_environments(folder: Path, clock: ManualClock, policy: str, **environ: str) -> UvEnvironments:
    """On a machine that has the platform's own interpreter and no other."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))}
    hidden = {"HOME": str(folder), "PATH": str(folder / "bin"), "UV_CACHE_DIR": str(folder / "cache")}
    return UvEnvironments(
        folder / "e",
        environ={**kept, **hidden, **environ},
        owner=str(folder),
        curated_file=folder / "c.yml",
        pythons=PythonRules(downloads="auto", policy=policy),
        now=clock.now,
    )


def offered(folder: Path, python: Path, minor: int) -> Path:
    """A list of downloads with one Python 3.`minor`: a program that hands on to the `python` of this machine."""
    root = f"python/lib/python3.{minor}/"
    files = {f"python/bin/python3.{minor}": f'#!/bin/sh\nexec {python} "$@"\n', f"{root}_sysconfigdata__linux_.py": ""}
    archive = folder / "python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
        for name in ("python3", "python"):
            link = tarfile.TarInfo(f"python/bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, f"python3.{minor}"
            tar.addfile(link)
    entry = {
        **{"name": "cpython", "arch": {"family": platform.machine(), "variant": None}, "os": "linux", "libc": "gnu"},
        **{"major": 3, "minor": minor, "patch": 1, "prerelease": "", "variant": None, "build": "20260101"},
        **{"url": archive.as_uri(), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()},
    }
    downloads = folder / "downloads.json"
    downloads.write_text(json.dumps({f"cpython-3.{minor}.1-linux-{platform.machine()}-gnu": entry}))
    return downloads


def another_python() -> tuple[Path, int]:
    """A Python of this machine that is not the platform's own minor version."""
    here = Interpreters(os.environ, "strict")
    own = here.choose(None).interpreter.version[1]
    for minor in (minor for minor in range(10, 20) if minor != own):
        try:
            return here.choose(f"3.{minor}").interpreter.path, minor
        except PenstockError:
            continue
    pytest.skip("this machine has one Python only")


def test_a_python_that_is_not_here_is_installed_by_the_build_and_found_from_then_on(tmp_path):
    python, minor = another_python()
    downloads = str(offered(tmp_path, python, minor))
    environments = an_environments(tmp_path, ManualClock(), "strict", UV_PYTHON_DOWNLOADS_JSON_URL=downloads)
    wish = Requirements(python=f"3.{minor}", packages=("six",))
    wished = environments.plan(wish)
    assert wished.missing is not None
    assert wished.missing.version == f"3.{minor}"
    built = environments.ensure(wished)
    assert list(built.python.parent.parent.glob(f"lib/python3.{minor}"))
    planned = environments.plan(wish)
    assert (planned.missing, planned.fingerprint) == (None, built.fingerprint)
    assert environments.built(planned.fingerprint) == built
    assert f"goes on as environment {built.fingerprint}" in environments.log(wished.fingerprint).read_text()


@pytest.mark.parametrize("policy", ["nearest", "strict"])
def test_where_no_download_is_to_be_had_the_policy_decides_and_nothing_waits_for_it_again(tmp_path, policy):
    clock = ManualClock()
    nowhere = "http://127.0.0.1:1/downloads"
    environments = an_environments(tmp_path, clock, policy, UV_PYTHON_INSTALL_MIRROR=nowhere)
    minor = 13 if environments.plan(Requirements()).python_version.split(".")[1] != "13" else 12
    wish = Requirements(python=f"3.{minor}", packages=())
    wished = environments.plan(wish)
    if policy == "nearest":
        built = environments.ensure(wished)
        planned = environments.plan(wish)
        assert planned.fingerprint == built.fingerprint
        assert "127.0.0.1 could not be reached; it is tried again" in planned.notices[0]
    else:
        with pytest.raises(PenstockError, match=r"was not installed \(127\.0\.0\.1 could not be reached") as caught:
            environments.ensure(wished)
        assert caught.value.code is Code.FAILED
        with pytest.raises(PenstockError, match="could not be reached"):
            environments.plan(wish)
    assert f"installing python 3.{minor}" in environments.log(wished.fingerprint).read_text()
    clock.advance(5 * MINUTE)
    assert environments.plan(wish).missing is not None

"""Built environments are not written to, are looked at before they are used, and go when nobody uses them."""

import os
import stat
import subprocess
from datetime import timedelta

import pytest

from penstock.domain.environment import Requirements
from penstock.environments.place import Place
from penstock.environments.turn import turn
from penstock.environments.uv import UvEnvironments
from penstock.testing.clock import ManualClock

SIX = Requirements(packages=("six",))


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def make(tmp_path, clock):
    """Makes what a control plane has: each call is a new one on the same folder and package cache."""

    def made() -> UvEnvironments:
        return UvEnvironments(
            tmp_path / "e",
            environ={**os.environ, "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_LINK_MODE": "hardlink"},
            owner=str(tmp_path),
            curated_file=tmp_path / "curated.yml",
            now=clock.now,
        )

    return made


def file_of(built, pattern: str):
    return next(built.python.parent.parent.glob(f"lib/python*/site-packages/{pattern}"))


def spoil(file) -> None:
    """Write into a file of an environment, as root does it or who takes the trouble."""
    file.chmod(0o644)
    with file.open("a") as text:
        text.write("SPOILT = True\n")


def said_by(built, code: str) -> str:
    return subprocess.run([built.python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_nothing_in_an_environment_may_be_written_to_and_it_is_compiled(make):
    environments = make()
    built = environments.ensure(environments.plan(SIX))
    folder = built.python.parent.parent
    for path in (folder, *folder.rglob("*")):
        assert path.is_symlink() or path.name == ".complete" or not path.stat().st_mode & 0o222, path
    assert file_of(built, "__pycache__/six.*.pyc")
    assert file_of(built, "penstock_worker/__pycache__/app.*.pyc")


def test_a_file_that_environments_share_is_whole_again_in_both_after_it_was_spoilt(make):
    environments = make()
    builds = [environments.plan(Requirements(packages=packages)) for packages in (("six",), ("six", "packaging"))]
    one, other = map(environments.ensure, builds)
    assert file_of(one, "six.py").samefile(file_of(other, "six.py"))
    for pattern in ("six.py", "penstock_worker/app.py"):
        spoil(file_of(one, pattern))
    environments = make()
    for build in builds:
        assert environments.built(build.fingerprint) is None
        built = environments.ensure(build)
        for pattern in ("six.py", "penstock_worker/app.py"):
            assert "SPOILT" not in file_of(built, pattern).read_text()
        log = environments.log(build.fingerprint).read_text()
        assert "was damaged and is built again (changed: lib/python3." in log
        assert "six.py" in log


def test_damage_is_noticed_after_each_start_of_a_process(make):
    environments = make()
    build = environments.plan(SIX)
    site = file_of(environments.ensure(build), "six.py").parent
    assert environments.built(build.fingerprint) is not None
    site.chmod(0o755)
    (site / "six.py").unlink()
    environments.use(build.fingerprint)
    assert environments.built(build.fingerprint) is None
    assert said_by(environments.ensure(build), "import six; print('whole')") == "whole"


def test_byte_code_that_is_written_later_is_no_damage_and_other_files_are(make):
    environments = make()
    build = environments.plan(SIX)
    site = file_of(environments.ensure(build), "six.py").parent
    (site / "__pycache__").chmod(0o755)
    (site / "__pycache__" / "later.cpython-311.pyc").touch()
    assert make().built(build.fingerprint) is not None
    site.chmod(0o755)
    (site / "later.py").touch()
    assert make().built(build.fingerprint) is None


def test_what_a_crash_has_left_is_removed_and_what_somebody_builds_is_not(make, clock, tmp_path):
    environments = make()
    half = Place(tmp_path / "e", "0123456789abcdef")
    (half.folder / "lib").mkdir(parents=True)
    (half.folder / "lib" / "some.py").write_bytes(b"x" * 5000)
    half.folder.chmod(0o555)
    (tmp_path / "e" / ".stale.lock.0123").touch()
    with turn(half.turn):
        assert environments.collect((), timedelta(days=1)) == []
    assert half.folder.exists()
    (gone,) = environments.collect((), timedelta(days=1))
    assert gone.fingerprint == half.fingerprint
    assert gone.bytes >= 5000
    assert not half.folder.exists()
    assert not (tmp_path / "e" / ".stale.lock.0123").exists()


def test_only_what_becomes_free_counts_as_freed(make, clock):
    environments = make()
    build = environments.plan(Requirements(packages=("packaging",)))
    folder = environments.ensure(build).python.parent.parent
    facts = [path.lstat() for path in folder.rglob("*") if not path.is_dir()]
    shared, own = (sum(f.st_blocks * 512 for f in facts if (f.st_nlink > 1) is many) for many in (True, False))
    assert shared > 0
    clock.advance(timedelta(days=365))
    assert [one.bytes for one in environments.collect((), timedelta(days=1))] == [own]


def test_logs_and_locks_outlive_their_environment_by_a_year(make, clock, tmp_path):
    environments = make()
    build = environments.plan(SIX)
    environments.ensure(build)
    clock.advance(timedelta(days=1000))
    environments.collect((), timedelta(days=30))
    kept = {f"{build.fingerprint}.log", f"{build.fingerprint}.lock"}
    assert kept < {path.name for path in (tmp_path / "e").iterdir()}
    assert stat.S_IMODE((tmp_path / "e" / f"{build.fingerprint}.lock").stat().st_mode) == 0o600
    clock.advance(timedelta(days=366))
    environments.collect((), timedelta(days=30))
    assert [path.name for path in (tmp_path / "e").iterdir()] == [".worker"]

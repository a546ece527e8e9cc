"""What every implementation of the environments port holds to."""

import os
import stat
from datetime import timedelta

import pytest

from penstock.domain.environment import Environment, Requirements
from penstock.domain.errors import Code, PenstockError, failed
from penstock.environments.uv import UvEnvironments
from penstock.testing.clock import ManualClock
from penstock.testing.environments import FakeEnvironments

CURATED = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
SIX = Requirements(packages=("six",))


MONTH, YEAR = timedelta(days=30), timedelta(days=365)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["uv", "fake"])
def environments(request, tmp_path, clock):
    if request.param == "uv":
        return UvEnvironments(
            tmp_path / "environments",
            environ=os.environ,
            owner=str(tmp_path),
            curated_file=tmp_path / "curated.yml",
            now=clock.now,
        )
    fake = FakeEnvironments(tmp_path / "environments", clock)
    fake.curated_names[CURATED] = Requirements(packages=("scikit-learn>=1.5,<1.6",))
    fake.failures["six==99.0"] = failed("there is no version six==99.0", {"log": "no version of six==99.0"})
    return fake


def test_requirements_are_examined_without_building_anything(environments):
    told: list[str] = []
    good = environments.diagnose(SIX, told.append)
    assert (good.faults, good.changes, good.cached, good.complete) == ((), (), False, True)
    assert good.packages >= 2  # six, and the worker with what it needs
    assert told
    bad = environments.diagnose(Requirements(packages=("six==99.0",), notices=("said",)), told.append)
    assert "no version six==99" in bad.faults[0]
    assert [change.old for change in bad.changes] == ["six==99.0"]
    assert bad.notices == ("said",)
    build = environments.plan(SIX)
    assert good.fingerprint == build.fingerprint
    assert environments.built(build.fingerprint) is None
    environments.ensure(build)
    assert environments.diagnose(SIX, told.append).cached


def test_an_environment_is_built_once_and_found_again(environments):
    build = environments.plan(SIX)
    assert environments.built(build.fingerprint) is None
    built = environments.ensure(build)
    assert built.fingerprint == build.fingerprint
    assert built.python.exists()
    assert environments.built(build.fingerprint) == built
    assert environments.ensure(build) == built


def test_the_log_of_a_build_is_kept_for_its_owner_only(environments):
    build = environments.plan(SIX)
    environments.ensure(build)
    log = environments.log(build.fingerprint)
    assert "creating environment" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_failed_build_says_why_and_is_not_tried_again_until_the_user_asks(environments, clock):
    build = environments.plan(Requirements(packages=("six==99.0",)))
    for tried in (True, False):
        with pytest.raises(PenstockError, match=r"no version six==99\.0") as caught:
            environments.ensure(build)
        assert caught.value.code is Code.FAILED
        assert "six==99.0" in caught.value.details["log"]
        assert environments.log(build.fingerprint).exists() is tried
        environments.log(build.fingerprint).unlink(missing_ok=True)
        clock.advance(YEAR)
    assert environments.built(build.fingerprint) is None
    environments.retry(build.fingerprint)
    with pytest.raises(PenstockError, match=r"no version six==99\.0"):
        environments.ensure(build)
    assert environments.log(build.fingerprint).exists()


def test_an_environment_that_was_not_used_for_long_is_removed_and_can_be_built_again(environments, clock):
    build = environments.plan(SIX)
    built = environments.ensure(build)
    used_at = clock.now()
    clock.advance(YEAR)
    found = environments.unused((), MONTH)
    assert [(one.fingerprint, one.last_used_at) for one in found] == [(build.fingerprint, used_at)]
    assert environments.collect((), MONTH) == found
    assert environments.built(build.fingerprint) is None
    assert environments.unused((), MONTH) == []
    assert environments.ensure(build).python == built.python


def test_what_is_in_use_or_was_used_lately_is_not_removed(environments, clock):
    build = environments.plan(SIX)
    environments.ensure(build)
    assert environments.collect((), timedelta(0)) == []  # just handed out: its process may be about to start
    clock.advance(YEAR)
    assert environments.collect({build.fingerprint}, MONTH) == []
    environments.use(build.fingerprint)
    assert environments.collect((), MONTH) == []
    clock.advance(YEAR)
    assert environments.built(build.fingerprint) is not None
    assert environments.collect((), timedelta(0)) == []


def test_the_fingerprint_tells_what_is_installed_and_nothing_else(environments):
    def fingerprint(*packages: str, notices: tuple[str, ...] = ()) -> str:
        return environments.plan(Requirements(packages=packages, notices=notices)).fingerprint

    assert fingerprint("six", "Packaging>=23") == fingerprint("packaging >= 23", "six", notices=("said",))
    assert fingerprint("six") != fingerprint("six>=1")
    assert fingerprint("--index-url https://a:1@host/simple", "six") == fingerprint(
        "--index-url https://b:2@host/simple", "six"
    )


def test_curated_names_are_known_and_others_are_not(environments):
    known = environments.curated(CURATED)
    assert any(package.startswith("scikit-learn") for package in known.packages)
    assert environments.curated("no-such-environment") is None


def test_an_image_that_runs_in_a_container_needs_no_packages(environments):
    assert environments.read(Environment(image="example.org/mine:1")) == Requirements()


@pytest.mark.parametrize("fingerprint", ["../../etc/passwd", "", "a/b"])
def test_what_is_no_fingerprint_leads_to_no_file(environments, fingerprint):
    assert environments.built(fingerprint) is None
    with pytest.raises(PenstockError, match="not the fingerprint"):
        environments.log(fingerprint)

"""Which interpreter is chosen, among those that are there and run."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.errors import PenstockError
from penstock.environments.interpreters import Candidate, Interpreters, installable, own, preferred, wanted_minors

OWN = 11


def a_candidate(minor: int, patch: int | None = None, place: str = "/bin") -> Candidate:
    return Candidate(Path(f"{place}/python3.{minor}"), minor, patch)


ALL = [a_candidate(OWN, 7, "/own"), *(a_candidate(minor) for minor in (8, 9, 10, 11, 13))]


@pytest.mark.parametrize(
    ("wanted", "minor"),
    [
        (None, 11),
        ("3.10", 10),
        ("3.10.4", 10),
        ("3.8", 9),
        ("2.7", 11),
        ("3.12", 13),
        ("3.30", 13),
        (">=3.10", 11),
        (">=3.12", 13),
        (">=3.6,<3.9", 9),
        ("<3.11", 10),
        ("3", 11),
    ],
)
def test_the_asked_for_or_nearest_version_comes_first(wanted, minor):
    assert preferred(wanted, ALL, OWN)[0].minor == minor


def test_the_platforms_own_comes_before_others_of_its_version():
    assert [str(c.path) for c in preferred("3.11", ALL, OWN)[:2]] == ["/own/python3.11", "/bin/python3.11"]


def test_the_very_patch_comes_before_the_platforms_own():
    candidates = [*ALL, a_candidate(11, 9, "/other")]
    assert preferred("3.11.9", candidates, OWN)[0].path == Path("/other/python3.11")
    assert preferred("3.11.8", candidates, OWN)[0].path == Path("/own/python3.11")


@given(st.lists(st.integers(5, 20), max_size=8), st.integers(5, 20))
def test_no_interpreter_is_tried_that_is_too_old_and_none_twice(minors, wanted):
    found = preferred(f"3.{wanted}", [a_candidate(minor) for minor in (*minors, *minors)], OWN)
    assert {c.minor for c in found} == {minor for minor in minors if minor >= 9}
    assert len({c.path for c in found}) == len(found)
    distances = [abs(c.minor - wanted) for c in found]
    assert distances == sorted(distances)


@pytest.mark.parametrize("wanted", ["three", "3.x", ">=", "=3.9"])
def test_what_is_no_version_is_refused(wanted):
    with pytest.raises(PenstockError, match="not understood"):
        wanted_minors(wanted)


def test_the_platforms_own_interpreter_needs_no_search():
    choice = Interpreters({}, "strict").choose(None)
    assert choice.interpreter.path == own().path
    assert choice.notices == ()


def test_a_version_that_is_not_there_is_replaced_with_a_notice_or_refused():
    choice = Interpreters({}, "nearest").choose("3.30")
    assert choice.notices == (
        f"python 3.30 was asked for; {choice.interpreter} is the nearest on this machine (nothing is downloaded)",
    )
    with pytest.raises(PenstockError, match=r"python 3\.30 .* not found in .*/opt/pythons, and it was not installed"):
        Interpreters({"PATH": "/opt/pythons"}, "strict").choose("3.30")


def test_an_environments_own_policy_wins():
    with pytest.raises(PenstockError, match="not found"):
        Interpreters({}, "nearest").choose("3.30", "strict")
    assert Interpreters({}, "strict").choose("3.30", "nearest").notices


def test_a_version_that_is_not_there_is_installed_if_it_may_be_whatever_the_policy():
    for policy in ("nearest", "strict"):
        choice = Interpreters({}, policy, lambda _: None).choose("3.30")
        assert (choice.install, choice.interpreter.path, choice.notices) == ("3.30", own().path, ())


def test_nothing_is_installed_that_is_there_or_that_the_worker_cannot_run_on():
    interpreters = Interpreters({}, "nearest", lambda _: None)
    assert interpreters.choose(None).install is None
    assert interpreters.choose(f"3.{own().minor}").install is None
    assert interpreters.choose("3.7").notices


@pytest.mark.parametrize(
    ("wanted", "version"),
    [("3.9", "3.9"), (">=3.12", "3.12"), ("<3.11", "3.10"), (">=3.6,<3.9", None), ("3.9.7", "3.9"), ("2.7", None)],
)
def test_the_nearest_fitting_version_is_installed(wanted, version):
    assert installable(wanted_minors(wanted), OWN) == version


def test_an_unknown_policy_is_refused():
    with pytest.raises(PenstockError, match="use nearest or strict"):
        Interpreters({}, "newest")

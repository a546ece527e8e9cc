"""Requirements that do not resolve: what is to blame, and the smallest change that mends them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from penstock.environments.doctor import Change, EnoughTriedError, Resolution, examine
from penstock.environments.lines import package_name


@cache
def requirement(line: str) -> Requirement:
    return Requirement(line.partition(" --hash")[0])


@dataclass
class Index:
    """Packages with their versions and what these depend on; resolves as uv does, by trying everything."""

    packages: Mapping[str, Mapping[str, Sequence[str]]]
    most_tries: int = 10_000
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, lines: Sequence[str]) -> Resolution:
        self.asked.append(tuple(lines))
        if len(self.asked) > self.most_tries:
            raise EnoughTriedError
        wanted = [requirement(line) for line in lines if not line.startswith("-")]
        unknown = [r.name for r in wanted if r.name not in self.packages]
        if unknown:
            return Resolution(versions={}, fault=f"there is no package {unknown[0]!r}")
        names = sorted({"numpy", "scikit-learn", *(r.name for r in wanted)})  # and what the others depend on
        newest_first = [sorted(self.packages[name], key=Version, reverse=True) for name in names]
        for versions in product(*newest_first):
            chosen = dict(zip(names, versions, strict=True))
            if self._holds(wanted, chosen):
                return Resolution(versions=chosen)
        return Resolution(versions={}, fault="because " + " and ".join(lines))

    def _holds(self, wanted: Sequence[Requirement], chosen: Mapping[str, str]) -> bool:
        asked = {r.name for r in wanted}
        needed = [requirement(line) for name in asked for line in self.packages[name][chosen[name]]]
        return all(r.specifier.contains(chosen[r.name]) for r in (*wanted, *needed))


NUMPY = {"1.20.0": [], "1.26.4": [], "2.0.0": [], "2.1.0": []}
INDEX = {
    "numpy": NUMPY,
    "pandas": {"1.5.3": ["numpy<2"], "2.0.1": ["numpy<2"], "2.2.3": ["numpy"], "3.0.0": ["numpy"]},
    "numba": {"0.58.1": ["numpy<1.27"], "0.60.0": ["numpy<2.1"], "0.61.2": ["numpy<2.2"]},
    "scikit-learn": {"1.1.3": ["numpy<1.27"], "1.3.2": ["numpy<2"], "1.5.2": ["numpy"], "1.5.1": ["numpy"]},
    "six": {"1.16.0": [], "1.17.0": []},
}


def changed(lines: Sequence[str], changes: Sequence[Change]) -> list[str]:
    swaps = {change.old: change.new for change in changes}
    return [line for line in (swaps.get(line, line) for line in lines) if line is not None]


def test_what_resolves_has_no_faults_and_is_asked_once():
    index = Index(INDEX)
    found = examine(["--pre", "numpy==1.26.4", "pandas"], index)
    assert (found.faults, found.changes) == ((), ())
    assert found.versions["pandas"] == "3.0.0"
    assert len(index.asked) == 1


@pytest.mark.parametrize(
    ("lines", "changes"),
    [
        (["pandas==1.0.0"], [("pandas==1.0.0", "pandas==1.5.3")]),
        (["pandas==2.2.0"], [("pandas==2.2.0", "pandas==2.2.3")]),
        (["pandas==1.9.0", "six"], [("pandas==1.9.0", "pandas==2.0.1")]),
        (["pandas==4.0"], [("pandas==4.0", "pandas==3.0.0")]),
        (["six>=2"], [("six>=2", "six==1.17.0")]),
        (["nosuch==1", "six"], [("nosuch==1", None)]),
        (["numpy==2.1.0", "numba==0.58.1"], [("numba==0.58.1", "numba==0.61.2")]),
    ],
)
def test_the_nearest_version_that_works_is_proposed(lines, changes):
    found = examine(lines, Index(INDEX))
    assert [(c.old, c.new) for c in found.changes] == changes
    assert found.complete


def test_extras_and_markers_stay_and_hashes_go():
    (change,) = examine(["numpy[a]==1.99 ; python_version > '3' --hash=sha256:ab"], Index(INDEX)).changes
    assert change.new == 'numpy[a]==2.0.0; python_version > "3"'


def test_one_change_is_preferred_to_two():
    """numpy alone clashes with both others; they would be two."""
    lines = ["numba==0.58.1", "pandas==1.5.3", "numpy==2.1.0"]
    (change,) = examine(lines, Index(INDEX)).changes
    assert change == Change("numpy==2.1.0", "numpy==1.26.4")


def test_what_models_are_bound_to_is_changed_last():
    """Either of the two would do."""
    index = {"x": {"1.0.0": ["scikit-learn<1.4"], "1.0.1": ["scikit-learn"]}, **INDEX}
    (change,) = examine(["scikit-learn==1.5.2", "x==1.0.0"], Index(index)).changes
    assert change == Change("x==1.0.0", "x==1.0.1")


def test_the_two_sides_of_a_clash_are_named():
    (fault,) = examine(["six==1.16.0", "numpy==2.1.0", "numba==0.58.1"], Index(INDEX)).faults
    assert fault.startswith("numba==0.58.1 does not go with numpy==2.1.0: ")


def test_each_of_several_faults_is_named_once():
    lines = ["six==99", "pandas==1.0.0", "numpy==1.26.4", "nosuch"]
    found = examine(lines, Index(INDEX))
    assert [c.new for c in found.changes] == ["six==1.17.0", "pandas==1.5.3", None]
    assert len(found.faults) == 3
    assert "nosuch" in found.faults[-1]


@pytest.mark.parametrize("most", range(12))
def test_a_search_that_takes_too_long_tells_what_is_known(most):
    found = examine(["six==99", "pandas==1.0.0", "numpy==1.26.4"], Index(INDEX, most_tries=most))
    assert not found.complete
    assert bool(found.faults) is (most > 0)


names = st.sampled_from(sorted(INDEX))
asked = st.sampled_from(
    ["", "==0.58.1", "==1.0.0", "==1.1.3", "==1.26.4", "==1.5.2", "==2.1.0", "==9.9", "<1.2", ">=2"]
)


@settings(max_examples=60)
@given(st.dictionaries(names, asked, min_size=1, max_size=4))
def test_every_proposal_resolves_and_none_of_it_is_superfluous(wishes):
    lines = [f"{name}{version}" for name, version in wishes.items()]
    found = examine(lines, Index(INDEX))
    assert bool(found.faults) is not Index(INDEX)(lines).resolved
    assert bool(found.changes) is bool(found.faults)
    assert Index(INDEX)(changed(lines, found.changes)).resolved
    for change in found.changes:
        others = [other for other in found.changes if other is not change]
        assert not Index(INDEX)(changed(lines, others)).resolved
        assert change.new is None or package_name(change.new) == package_name(change.old)

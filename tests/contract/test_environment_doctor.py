"""Environments examined with real uv: what cannot be had, what clashes, and which change mends it."""

import os
from contextlib import closing

import pytest
from support.deploying import Bench
from support.index import Index, an_index

from penstock.domain.environment import Requirements
from penstock.domain.errors import Code, PenstockError, failed, unavailable
from penstock.domain.examination import Patient
from penstock.environments.base import Diagnosis
from penstock.environments.doctor import Change
from penstock.environments.interpreters import PythonRules
from penstock.environments.uv import UvEnvironments
from penstock.online.environment_doctor import EnvironmentDoctor

STRICT = PythonRules(downloads="never", policy="strict")


@pytest.fixture(scope="module")
def index():
    with an_index() as index:
        for version in ("1.0.0", "1.0.2", "1.4.0", "2.0.0"):
            index.add("pst_frame", version, "pst-base<2" if version < "1.4" else "pst-base")
        for version in ("1.9.0", "2.1.0"):
            index.add("pst_base", version)
        index.add("pst_old", "1.0.0", python="cp38")  # for no Python of ours, and with no source
        index.add("pst_old", "1.3.0")
        yield index


def examined(folder, index: Index, *packages: str, told: list[str] | None = None, **fields: object) -> Diagnosis:
    environments = UvEnvironments(
        folder / "e", environ=os.environ, owner=str(folder), curated_file=folder / "c.yml", pythons=STRICT
    )
    lines = (f"--extra-index-url http://{index.place}/simple", *packages)
    requirements = Requirements(packages=lines, **fields)
    return environments.diagnose(requirements, (told if told is not None else []).append)


def test_what_can_be_had_is_counted_with_the_worker_and_nothing_is_built(tmp_path, index):
    told: list[str] = []
    found = examined(tmp_path, index, "pst-frame==1.0.0", told=told)
    assert (found.faults, found.changes, found.cached, found.complete) == ((), (), False, True)
    assert found.packages == 6  # pst-frame, pst-base, penstock-worker and the three that it needs
    assert told == ["resolving the requirements, try 1"]
    assert not list((tmp_path / "e").glob("*.log"))


def test_two_requirements_that_clash_are_named_and_the_smallest_change_is_proposed(tmp_path, index):
    found = examined(tmp_path, index, "six", "pst-frame==1.0.0", "pst-base==2.1.0")
    (fault,) = found.faults
    assert fault.startswith("pst-frame==1.0.0 does not go with pst-base==2.1.0: Because pst-frame")
    assert found.changes == (Change("pst-frame==1.0.0", "pst-frame==1.4.0"),)


def test_a_version_without_a_wheel_for_the_python_is_a_fault_before_it_is_built(tmp_path, index):
    found = examined(tmp_path, index, "pst-old==1.0.0")
    assert "pst-old==1.0.0 has no wheels for this Python" in found.faults[0]
    assert found.changes == (Change("pst-old==1.0.0", "pst-old==1.3.0"),)


def test_a_clash_with_the_worker_and_a_package_that_there_is_not_are_both_found(tmp_path, index):
    found = examined(tmp_path, index, "pst-nosuch==1.0", "httptools==0.1.0", "pst-base==1.9.0")
    assert "penstock-worker" in found.faults[1]
    assert "no package 'pst-nosuch'" in found.faults[0]
    assert [change.old for change in found.changes] == ["pst-nosuch==1.0", "httptools==0.1.0"]
    assert found.changes[0].new is None


def test_a_python_that_is_not_here_is_a_fault(tmp_path, index):
    found = examined(tmp_path, index, "six", python="3.30")
    assert found.python == ""
    assert "python 3.30" in found.faults[0]


def test_an_index_that_cannot_be_reached_is_no_fault_of_the_requirements(tmp_path, index):
    with an_index() as gone:
        place = gone.place
    environments = UvEnvironments(
        tmp_path / "e",
        environ={**os.environ, "UV_HTTP_RETRIES": "0"},
        owner=str(tmp_path),
        curated_file=tmp_path / "c.yml",
    )
    lines = (f"--index-url http://me:hush@{place}/simple", "six")
    with pytest.raises(PenstockError, match="cannot be resolved now") as caught:
        environments.diagnose(Requirements(packages=lines), [].append)
    assert caught.value.code is Code.UNAVAILABLE
    assert "hush" not in caught.value.message


def test_what_was_found_is_said_with_strays_and_an_index_that_comes_back_is_asked_again(tmp_path):
    bench = Bench(tmp_path)
    with closing(bench), closing(a_doctor(bench)) as doctor:
        bench.environments.failures["six==99"] = failed("there is no version six==99")
        found = doctor.examine(Patient(environment={"requirements": ["six==99", "pytest"]}))
        assert (found.resolvable, found.faults) == (False, ("there is no version six==99",))
        assert found.notices[-1].startswith("environment: requirements: pytest is for tests")
        bench.environments.failures["six==99"] = unavailable("the index cannot be reached")
        with pytest.raises(PenstockError, match="index cannot be reached"):
            doctor.examine(Patient(environment={"requirements": ["six==99"]}))
        del bench.environments.failures["six==99"]
        assert doctor.examine(Patient(environment={"requirements": ["six==99"]})).resolvable


def test_models_that_cannot_be_unpickled_are_named_from_their_files(tmp_path):
    model = (
        "flavors:\n"
        "  python_function: {env: {virtualenv: python_env.yaml}, python_version: 3.8.5}\n"
        "  sklearn: {sklearn_version: 0.23.2, serialization_format: cloudpickle}\n"
    )
    files = {
        "MLmodel": model,
        "python_env.yaml": "python: 3.8.5\ndependencies: [-r requirements.txt]\n",
        "requirements.txt": "scikit-learn==0.23.2\n",
    }
    bench = Bench(tmp_path)
    with closing(bench), closing(a_doctor(bench)) as doctor:
        (fault,) = doctor.examine(Patient(model_files=files)).faults
    assert "scikit-learn 0.23.2" in fault
    assert "saved with Python 3.8.5" in fault


def a_doctor(bench: Bench) -> EnvironmentDoctor:
    return EnvironmentDoctor(bench.resources, bench.models, bench.artifacts, bench.environments)

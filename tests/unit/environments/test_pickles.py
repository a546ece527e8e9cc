"""Models that cannot be unpickled are named from their MLmodel file, before anything is built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.environment import Requirements
from penstock.environments.pickles import PickleFaults, pickle_faults

OLD = ("scikit-learn==0.23.2", "numpy")


def a_model(*, sklearn: str | None = "1.5.2", form: str = "cloudpickle", python: str = "3.11.7", **pyfunc: str):
    flavors = {"python_function": {"python_version": python, **pyfunc}}
    if sklearn is not None:
        flavors["sklearn"] = {"sklearn_version": sklearn, "serialization_format": form}
    return {"flavors": flavors}


def faults(model: object, *packages: str, python: str = "3.11.7") -> PickleFaults:
    return pickle_faults(model, Requirements(packages=packages), python)


def test_a_model_in_the_environment_that_it_was_saved_with_has_no_faults():
    assert faults(a_model(), "scikit-learn==1.5.2", "numpy") == PickleFaults()
    assert faults(a_model(python="3.11.2"), "scikit_learn==1.5.0 --hash=sha256:ab") == PickleFaults()


def test_a_scikit_learn_that_the_worker_cannot_run_beside_is_an_error_that_names_both_versions():
    found = faults(a_model(sklearn="0.23.2", python="3.8.5"), *OLD)
    (error,) = found.errors
    for part in (
        "scikit-learn 0.23.2",
        "3.6 to 3.8",
        "3.11.7",
        "saved with Python 3.8.5",
        "scikit-learn 0.24 or newer",
    ):
        assert part in error


@pytest.mark.parametrize(
    ("pin", "python", "remedy"),
    [
        ("scikit-learn==1.0.2", "3.11.7", "install Python 3.10 on this machine"),
        ("scikit-learn==1.1.*", "3.12.1", "install Python 3.11 on this machine"),
        ("scikit-learn~=0.24.1", "3.10.13", "install Python 3.9 on this machine"),
    ],
)
def test_a_scikit_learn_without_a_wheel_for_the_python_is_an_error(pin, python, remedy):
    (error,) = faults(a_model(sklearn=None), pin, python=python).errors
    assert remedy in error


@pytest.mark.parametrize(
    ("pin", "python"),
    [
        ("scikit-learn==1.1.3", "3.11.7"),
        ("scikit-learn==0.24.2", "3.9.18"),
        ("scikit-learn==99.1", "3.13.0"),
        ("scikit-learn>=1.0", "3.13.0"),
        ("scikit-learn @ https://example.org/scikit_learn-0.23.2-py3-none-any.whl", "3.13.0"),
    ],
)
def test_what_may_be_installed_is_no_error(pin, python):
    assert faults(a_model(sklearn=None, python=python), pin, python=python) == PickleFaults()


@pytest.mark.parametrize(
    ("saved", "pin", "part"),
    [
        ("0.20.3", "scikit-learn==1.1.3", "most of its modules were renamed"),
        ("1.2.2", "scikit-learn==1.5.2", "trees and forests"),
        ("1.4.0", "scikit-learn==1.5.2", "only what its own version has saved"),
        ("1.4.0", "scikit-learn", "ask for scikit-learn==1.4.0"),
        ("1.4.0", "pandas", "ask for scikit-learn==1.4.0"),
    ],
)
def test_another_scikit_learn_than_the_model_was_saved_with_is_a_notice(saved, pin, part):
    found = faults(a_model(sklearn=saved), pin)
    assert found.errors == ()
    assert saved in found.notices[0]
    assert part in found.notices[0]


def test_models_that_are_not_pickled_bear_other_versions():
    assert faults(a_model(sklearn="1.4.0", form="skops", python="3.9.1"), "scikit-learn==1.5.2") == PickleFaults()


def test_code_that_was_pickled_with_another_python_is_a_notice_that_names_both():
    (notice,) = faults(a_model(sklearn=None, python="3.8.5", python_model="python_model.pkl")).notices
    assert "Python 3.8.5" in notice
    assert "3.11.7" in notice
    (milder,) = faults(a_model(python="3.10.1"), "scikit-learn==1.5.2").notices
    assert "of one's own" in milder
    assert faults(a_model(form="pickle", python="3.10.1"), "scikit-learn==1.5.2") == PickleFaults()


scalars = st.none() | st.text(max_size=8) | st.integers()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner)
)


@given(anything, anything)
def test_whatever_the_file_holds_is_borne(sklearn, pyfunc):
    faults({"flavors": {"sklearn": sklearn, "python_function": pyfunc}}, "scikit-learn==1.0")

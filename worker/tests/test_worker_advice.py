"""What authors are told to do about errors that mean a package."""

import importlib

import pytest

from penstock_worker.advice import advice


def told(module: str) -> str:
    with pytest.raises(ImportError) as caught:
        importlib.import_module(module)
    return advice(caught.value)


def test_a_missing_package_is_named_as_it_is_installed() -> None:
    assert told("cv2").startswith("; add opencv-python-headless to the requirements of the environment")
    assert told("my_features.text").startswith("; add my-features to the requirements of the environment, or 'my_fe")


def test_a_module_that_an_installed_package_does_not_have_asks_for_another_version() -> None:
    assert told("json.gone") == "; the installed json has no json.gone: another version of it is asked for"


def test_types_that_skops_does_not_trust_come_with_the_way_out() -> None:
    class UntrustedTypesFoundException(TypeError):  # noqa: N818 - skops' name
        pass

    error = RuntimeError("cannot load")
    error.__cause__ = UntrustedTypesFoundException("['sklearn.tree._tree.Tree']")
    assert "skops_trusted_types=[...]" in advice(error)


def test_only_versions_that_differ_where_it_matters_are_told() -> None:
    flavors = {"python_function": {"python_version": "2.7.18"}, "sklearn": {"sklearn_version": None, "code": None}}
    assert advice(ValueError(), flavors).startswith(
        "; the model was made with Python 2.7.18, and this environment has "
    )
    assert advice(ValueError()) == ""

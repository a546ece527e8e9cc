"""What to do about errors that mean a package: missing ones, and versions other than those a model was made with."""

from __future__ import annotations

import importlib.util
import platform
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from penstock_worker.kinds import is_object
from penstock_worker.trace import chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Packages that are not named as what is imported from them.
_PACKAGES = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# Fields of an MLmodel's flavors, and the packages whose versions they hold.
_MADE_WITH = {
    "catboost_version": "catboost",
    "cloudpickle_version": "cloudpickle",
    "keras_version": "keras",
    "lgb_version": "lightgbm",
    "python_version": "Python",
    "pytorch_version": "torch",
    "sklearn_version": "scikit-learn",
    "statsmodels_version": "statsmodels",
    "xgb_version": "xgboost",
}
_SKOPS = "UntrustedTypesFoundException"


def advice(error: BaseException, flavors: Mapping[str, Any] | None = None) -> str:
    """What the author should do about `error`, as the end of its sentence; empty if nothing is known.

    `flavors` are those of the MLmodel file of the model that was being loaded.
    """
    links = chain(error)
    missing = next((link.name for link in links if isinstance(link, ModuleNotFoundError) and link.name), None)
    if any(type(link).__name__ == _SKOPS for link in links):
        told = "save the model with skops_trusted_types=[...] naming them, or with serialization_format='cloudpickle'"
    elif missing is not None:
        told = _about_missing(missing)
    else:
        told = ""
    differences = list(_differences(flavors or {}))
    if differences:
        made, here = (", ".join(f"{name} {pair[side]}" for name, *pair in differences) for side in (0, 1))
        told += f"{'; ' if told else ''}the model was made with {made}, and this environment has {here}"
    return f"; {told}" if told else ""


def _about_missing(module: str) -> str:
    top = module.partition(".")[0]
    package = _PACKAGES.get(top, top.replace("_", "-"))
    if _is_installed(top):
        return f"the installed {package} has no {module}: another version of it is asked for"
    return f"add {package} to the requirements of the environment, or {top!r} to the code if it is your own"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _differences(flavors: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, version in the MLmodel file and version here, where the first two numbers of these differ."""
    found: dict[str, str] = {}
    for flavor in flavors.values():
        versions = flavor.items() if is_object(flavor) else ()
        found.update({_MADE_WITH[field]: str(value) for field, value in versions if field in _MADE_WITH and value})
    for name, made in found.items():
        here = platform.python_version() if name == "Python" else _version(name)
        if here and made.split(".")[:2] != here.split(".")[:2]:
            yield name, made, here


def _version(package: str) -> str:
    from importlib import metadata  # rarely needed, and 15 ms of each start

    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return ""

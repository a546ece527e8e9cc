"""Whether an MLflow model can be unpickled in its environment, as far as its MLmodel file tells. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from packaging.requirements import InvalidRequirement, Requirement

from penstock.domain.environment import Requirements
from penstock.environments.interpreters import OLDEST_MINOR
from penstock.environments.lines import package_name

_Version = tuple[int, int]

# By scikit-learn's series: the N of the first and last Python 3.N that it has wheels for. From source, a series does
# not build on later ones: its build tools have moved on.
_WHEELS: Mapping[_Version, tuple[int, int]] = {
    (0, 20): (4, 7),
    (0, 21): (5, 7),
    (0, 22): (5, 8),
    (0, 23): (6, 8),
    (0, 24): (6, 9),
    (1, 0): (7, 10),
    (1, 1): (8, 11),
    (1, 2): (8, 11),
    (1, 3): (8, 12),
    (1, 4): (9, 12),
    (1, 5): (9, 13),
    (1, 6): (9, 13),
}
# What changed between two series so that pickles of the former do not load in the latter.
_BREAKS = (
    ((0, 22), (0, 24), "most of its modules were renamed in between"),
    ((1, 3), (1, 3), "trees and forests that were saved before 1.3 do not load in it"),
)
_SERIES = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, kw_only=True)
class PickleFaults:
    """`errors`: it is certain that the model cannot be served so. `notices`: it may not load. A sentence each."""

    errors: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def pickle_faults(model: Mapping[str, Any], requirements: Requirements, python: str) -> PickleFaults:
    """What stands between the model and its pickles.

    `model` is what the MLmodel file says, every scalar as text; `requirements` are those that will be installed, and
    `python` the version that they will be installed for, e.g. "3.11.7".
    """
    flavors = _mapping(model.get("flavors"))
    sklearn, pyfunc = _mapping(flavors.get("sklearn")), _mapping(flavors.get("python_function"))
    pin = _pin(requirements, "scikit-learn")
    saved_python = _text(pyfunc.get("python_version"))
    notices = [*_by_value(sklearn, pyfunc, saved_python, python)]
    if sklearn and _text(sklearn.get("serialization_format")) != "skops":
        notices = [*_other_sklearn(_text(sklearn.get("sklearn_version")), pin), *notices]
    return PickleFaults(errors=tuple(_without_wheel(pin, python, saved_python)), notices=tuple(notices))


def _without_wheel(pin: str | None, python: str, saved_python: str | None) -> Iterator[str]:
    series, minor = _series(pin), _series(python)
    first, last = _WHEELS.get(series, (0, 99)) if series else (0, 99)
    if minor is None or first <= minor[1] <= last:
        return
    said = f" (the model was saved with Python {saved_python})" if saved_python else ""
    what = f"scikit-learn {pin} runs on Python 3.{first} to 3.{last}, and the environment would have {python}{said}"
    if last < OLDEST_MINOR:
        yield (
            f"{what}: models are served on Python 3.{OLDEST_MINOR} and newer, so save the model again with "
            f"scikit-learn {_first_on(OLDEST_MINOR)} or newer, or deploy it with an image that has that Python"
        )
        return
    yield f"{what}: install Python 3.{last} on this machine, or save the model again with a scikit-learn for {python}"


def _other_sklearn(saved: str | None, pin: str | None) -> Iterator[str]:
    before = _series(saved)
    if before is None:
        return
    if pin is None:
        yield (
            f"the model was saved with scikit-learn {saved}, and its requirements let in any version: "
            f"ask for scikit-learn=={saved}"
        )
        return
    after = _series(pin)
    if after is None or after == before:
        return
    why = [reason for old, new, reason in _BREAKS if before < old and after >= new]
    said = "; ".join(why) or "scikit-learn promises to load only what its own version has saved"
    yield (
        f"the model was saved with scikit-learn {saved} and would be loaded with {pin} ({said}): "
        f"ask for scikit-learn=={saved}, or save the model again with {pin}"
    )


def _by_value(sklearn: Mapping[str, Any], pyfunc: Mapping[str, Any], saved: str | None, python: str) -> Iterator[str]:
    """Code that was pickled itself, and not by the name of its module, is that of one Python version."""
    before, after = _series(saved), _series(python)
    if before is None or after is None or before == after:
        return
    old = f"Python {before[0]}.{before[1]}"
    there = f"install {old} on this machine" if before[1] >= OLDEST_MINOR else f"deploy it with an image that has {old}"
    remedy = f"save the model again with {python}, or {there}"
    if _text(pyfunc.get("python_model")) is not None:
        yield (
            f"the model is a Python class that was pickled with Python {saved}, and the environment would have "
            f"{python}: its code may not load, for it is that version's; {remedy}"
        )
    elif _text(sklearn.get("serialization_format")) == "cloudpickle":
        yield (
            f"the model was pickled with Python {saved}, and the environment would have {python}: functions and "
            f"classes of one's own in it may not load; {remedy}"
        )


def _pin(requirements: Requirements, name: str) -> str | None:
    """The version that the requirements pin `name` to: `1.0.2`, or `1.0` for `==1.0.*`."""
    for line in requirements.packages:
        if package_name(line) != name:
            continue
        try:
            specifiers = list(Requirement(line.partition(" --hash")[0]).specifier)
        except InvalidRequirement:
            return None
        pins = [s.version.removesuffix(".*") for s in specifiers if s.operator in ("==", "===", "~=")]
        return pins[0] if pins else None
    return None


def _first_on(minor: int) -> str:
    """The first series that has wheels for Python 3.`minor`."""
    major, number = min(series for series, (_, last) in _WHEELS.items() if last >= minor)
    return f"{major}.{number}"


def _series(version: str | None) -> _Version | None:
    found = _SERIES.match(version or "")
    return (int(found[1]), int(found[2])) if found else None


def _mapping(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value not in ("", "null", "~") else None

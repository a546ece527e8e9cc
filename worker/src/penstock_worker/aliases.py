"""Azure's module names for our `aml` classes, so that scripts import them whether or not Azure's packages are there."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

from penstock_worker import aml

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKAGE = "azureml.contrib.services"
_MODULES = {"aml_request": ("AMLRequest", "rawhttp"), "aml_response": ("AMLResponse",)}


def install() -> None:
    """Alias the modules of `azureml.contrib.services`. May be called again."""
    for name, members in _MODULES.items():
        full_name = f"{_PACKAGE}.{name}"
        module = ModuleType(full_name, aml.__doc__)
        module.__dict__.update({member: getattr(aml, member) for member in members})
        sys.modules[full_name] = module
    if not any(isinstance(finder, _MissingParents) for finder in sys.meta_path):
        # Last of all, so that the real packages win where they are installed.
        sys.meta_path.append(_MissingParents())


class _MissingParents:
    """Finds empty packages for those of the parents of the aliases that are not installed."""

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: object = None) -> ModuleSpec | None:
        if name != _PACKAGE and not _PACKAGE.startswith(f"{name}."):
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, _spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == _PACKAGE:
            module.__dict__.update({name: sys.modules[f"{_PACKAGE}.{name}"] for name in _MODULES})

"""Azure's module names for our own classes, so that scripts import them whether or not Azure's packages are there."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from penstock_worker import aml, monitoring

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKAGE = "azureml.contrib.services"
# These two are ours in any case: the server must know what scripts return.
_OURS = {"aml_request": ("AMLRequest", "rawhttp"), "aml_response": ("AMLResponse",)}
# These are for where the real ones are not installed.
_CONTEXT = ("CorrelationContext", "BasicCorrelationContext", "get_context")
_STAND_INS = {
    "azureml.ai.monitoring": ("Collector",),
    "azureml.ai.monitoring.collector": ("Collector",),
    "azureml.ai.monitoring.context": _CONTEXT,
    "azureml.ai.monitoring.context.context": _CONTEXT,
}


def install() -> None:
    """Alias the modules of `azureml.contrib.services` and `azureml.ai.monitoring`. May be called again."""
    for name, members in _OURS.items():
        full_name = f"{_PACKAGE}.{name}"
        module = ModuleType(full_name, aml.__doc__)
        module.__dict__.update({member: getattr(aml, member) for member in members})
        sys.modules[full_name] = module
    if not any(isinstance(finder, _Missing) for finder in sys.meta_path):
        # Last of all, so that the real packages win where they are installed.
        sys.meta_path.append(_Missing())


class _Missing:
    """Finds the stand-ins, and empty packages for those of the aliases' parents that are not installed."""

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: object = None) -> ModuleSpec | None:
        if not any(f"{known}.".startswith(f"{name}.") for known in (_PACKAGE, *_STAND_INS)):
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, _spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(_members(module.__name__))


def _members(name: str) -> dict[str, Any]:
    if name == _PACKAGE:
        return {ours: sys.modules[f"{_PACKAGE}.{ours}"] for ours in _OURS}
    return {member: getattr(monitoring, member) for member in _STAND_INS.get(name, ())}

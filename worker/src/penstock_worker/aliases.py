"""Azure's module names for our own classes, so that scripts import them whether or not Azure's packages are there."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTRIB, _SERVER, _SCHEMA = "azureml.contrib.services", "azureml_inference_server_http", "inference_schema"
_MONITORING = "azureml.ai.monitoring"
_HERE = __name__.rpartition(".")[0]

# These are ours in any case, as they are the server's own with Azure: it must know what scripts ask for and return.
_OURS = {
    f"{_CONTRIB}.aml_request": "aml_request",
    f"{_CONTRIB}.aml_response": "aml_response",
    f"{_SERVER}.api.aml_request": "aml_request",
    f"{_SERVER}.api.aml_response": "aml_response",
}
# These stand in for packages that are not installed.
_STAND_INS = {
    **_OURS,
    f"{_SERVER}.log_config": "server_log",
    "azureml_user.parallel_run": "batch.entry_script",
    **{f"{_MONITORING}{part}": "monitoring" for part in (".collector", ".context", ".context.context")},
    **{
        f"{_SCHEMA}.{name}": f"{_SCHEMA}.{name}"
        for name in (
            "schema_decorators",
            "schema_util",
            "parameter_types.abstract_parameter_type",
            "parameter_types.standard_py_parameter_type",
            "parameter_types.numpy_parameter_type",
            "parameter_types.pandas_parameter_type",
        )
    },
}
# Of packages that are empty otherwise.
_MEMBERS = {_CONTRIB: {"rawhttp": "aml_request"}, _MONITORING: {"Collector": "monitoring"}}
_SHARED = ("azureml", "azureml.contrib", "azureml.ai")  # by many packages, any of which may be installed


def install() -> None:
    """Alias the modules. May be called again."""
    for name, own in _OURS.items():
        module = ModuleType(name)
        module.__dict__.update(_members_of(own))
        sys.modules[name] = module
    if not any(isinstance(finder, _Missing) for finder in sys.meta_path):
        # Last of all, so that the real packages win where they are installed.
        sys.meta_path.append(_Missing())


class _Missing:
    """Finds the stand-ins, and packages for those of their parents that are not installed."""

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: object = None) -> ModuleSpec | None:
        if not any(f"{known}.".startswith(f"{name}.") for known in _STAND_INS):
            return None
        parent = name.rpartition(".")[0]
        # A part that is missing from a package that is installed is missing.
        if parent and parent not in _SHARED and not _is_ours(parent):
            return None
        is_package = any(known.startswith(f"{name}.") for known in _STAND_INS)
        return ModuleSpec(name, self, is_package=is_package)  # type: ignore[arg-type]

    def create_module(self, _spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        own = _STAND_INS.get(module.__name__)
        if own is not None:
            module.__dict__.update(_members_of(own))
        for name, source in _MEMBERS.get(module.__name__, {}).items():
            setattr(module, name, _members_of(source)[name])
        for name in _OURS:  # they have not been found by this finder, which would have given them to their parents
            parent, _, child = name.rpartition(".")
            if parent == module.__name__:
                setattr(module, child, sys.modules[name])


def _is_ours(name: str) -> bool:
    return isinstance(getattr(sys.modules.get(name), "__loader__", None), _Missing)


def _members_of(own: str) -> dict[str, Any]:
    members = vars(importlib.import_module(f"{_HERE}.{own}"))
    return {name: member for name, member in members.items() if not name.startswith("__") or name.endswith("schema__")}

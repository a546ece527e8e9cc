"""What the decorators of inference-schema have made of run(), whether these are the package's or ours."""

from __future__ import annotations

import sys
from typing import Any, Callable

_PACKAGE = "inference_schema"
_UTILS = (f"{_PACKAGE}.schema_util", f"{__name__.rpartition('.')[0]}.{_PACKAGE}.schema_util")


def is_decorated(run: Callable[..., Any]) -> bool:
    return any(util.is_schema_decorated(run) for util in _utils())


def schemas_of(run: Callable[..., Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]] | None:
    """Schemas of input and output, and the versions of Swagger that they suit; None for a run() without decorators."""
    for util in _utils():
        if util.is_schema_decorated(run):
            return util.get_input_schema(run), util.get_output_schema(run), util.get_supported_versions(run)
    return None


def conversion_of(run: Callable[..., Any]) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """What the decorators do to the arguments of run(), without calling it; None if there is something else on it."""
    layers: list[Any] = []
    layer: Any = run
    while hasattr(layer, "__wrapped__"):
        if not hasattr(layer, "_self_wrapper"):
            return None
        layers.append(layer._self_wrapper)
        layer = layer.__wrapped__

    def converted(arguments: dict[str, Any]) -> dict[str, Any]:
        for wrapper in layers:
            arguments = wrapper(_arguments, None, (), arguments)
        return arguments

    return converted


def _arguments(**arguments: Any) -> dict[str, Any]:
    return arguments


def _utils() -> list[Any]:
    """The modules that know of decorated functions, as far as a script has imported them."""
    return [module for module in map(sys.modules.get, _UTILS) if module is not None]

"""What Azure's scoring scripts import for raw HTTP access: `AMLResponse`, `AMLRequest` and `rawhttp`."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

_RAW = "_penstock_rawhttp"
_Function = TypeVar("_Function", bound=Callable[..., Any])


class AMLResponse:
    """An answer with a status and headers of its own. `message` is sent as it is, unless `json_str` or None."""

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: dict[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        self.message = message
        self.status_code = status_code
        self.response_headers = dict(response_headers or {})
        self.json_str = json_str
        self.run_function_failed = run_function_failed


class AMLRequest:
    """The type that scripts name in annotations of a `@rawhttp` run()."""


def rawhttp(function: _Function) -> _Function:
    """Mark run() as one that takes the request itself. Scripts with such a run() are refused when they are loaded."""
    setattr(function, _RAW, True)
    return function


def takes_request(function: Callable[..., Any]) -> bool:
    """True if `function` is marked with `rawhttp`."""
    return bool(getattr(function, _RAW, False))

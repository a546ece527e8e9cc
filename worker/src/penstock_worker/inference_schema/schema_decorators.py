"""`@input_schema` and `@output_schema`, which describe what run() takes and returns by samples.

The wrappers carry what those of the package inference-schema do: the function that they call is `__wrapped__`, and
`_self_wrapper` converts the arguments for any function.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable

from penstock_worker.inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
from penstock_worker.inference_schema.schema_util import note_input, note_output

_Function = Callable[..., Any]


def input_schema(
    param_name: str,
    param_type: AbstractParameterType,
    convert_to_provided_type: bool = True,
    optional: bool = False,
) -> Callable[[_Function], _Function]:
    """Describe parameter `param_name`, and convert its values from JSON unless told otherwise."""
    _check(param_type)
    schema, versions = param_type.input_to_swagger(), param_type.supported_versions()

    def decorate(function: _Function) -> _Function:
        position = _position(function, param_name)
        note_input(function, param_name, schema, versions)

        def converting(inner: _Function, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not convert_to_provided_type:
                return inner(*args, **kwargs)
            if param_name in kwargs:
                value = kwargs[param_name]
                if not optional or value:
                    kwargs = {**kwargs, param_name: _deserialize_input_argument(value, param_type, param_name)}
            elif position < len(args):
                value = _deserialize_input_argument(args[position], param_type, param_name)
                args = (*args[:position], value, *args[position + 1 :])
            return inner(*args, **kwargs)

        return _wrapped(function, converting)

    return decorate


def output_schema(output_type: AbstractParameterType) -> Callable[[_Function], _Function]:
    """Describe what the function returns. Its results are left as they are."""
    _check(output_type)
    schema, versions = output_type.input_to_swagger(), output_type.supported_versions()

    def decorate(function: _Function) -> _Function:
        note_output(function, schema, versions)
        return _wrapped(function, _passing)

    return decorate


def _passing(inner: _Function, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return inner(*args, **kwargs)


def _wrapped(function: _Function, wrapper: _Function) -> _Function:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrapper(function, None, args, kwargs)

    wrapped._self_wrapper = wrapper  # type: ignore[attr-defined]
    return wrapped


def _check(kind: Any) -> None:
    if not isinstance(kind, AbstractParameterType):
        raise TypeError(f"a schema is given by a parameter type such as NumpyParameterType, not by {kind!r}")


def _position(function: _Function, name: str) -> int:
    names = list(inspect.signature(function).parameters)
    if name not in names:
        raise ValueError(f"@input_schema names the parameter {name!r}; those of the function: {', '.join(names)}")
    return names.index(name)


# The name is that in the package: whoever looks for the cause of an exception finds either.
def _deserialize_input_argument(input_data: Any, param_type: AbstractParameterType, param_name: str) -> Any:
    """`input_data` as `param_type` describes it; of containers, the parts that have types of their own."""
    kind = param_type.sample_data_type
    if kind is dict:
        _expect(input_data, (dict,), kind)
        inner: dict[str, AbstractParameterType] = getattr(param_type, "sample_data_type_map", {})
        given: dict[str, Any] = {
            key: _deserialize_input_argument(input_data[key], part, key)
            for key, part in inner.items()
            if key in input_data
        }
        return {**input_data, **given}
    if kind in (list, tuple):
        _expect(input_data, (list, tuple), kind)
        parts: list[AbstractParameterType] = getattr(param_type, "sample_data_type_list", [])
        return [_deserialize_input_argument(item, parts[0], param_name) for item in input_data] if parts else input_data
    return input_data if isinstance(input_data, kind) else param_type.deserialize_input(input_data)


def _expect(value: Any, kinds: tuple[type, ...], wanted: type) -> None:
    if not isinstance(value, kinds):
        raise ValueError(f"type {wanted.__name__} is expected; it is {type(value).__name__}")

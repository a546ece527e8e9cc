"""Values of a request that do not fit `@input_schema`: the caller's fault, told with the parameter's name.

The decorators convert inside run(), so that Azure's server takes what fails there for a failure of run().
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker.kinds import is_list, is_object, kind_of
from penstock_worker.messages import BadInputError
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from types import FrameType

# The function that converts one value, in the package inference-schema and in what stands in for it.
_CONVERTING = "_deserialize_input_argument"
_MODULE = "inference_schema"
_SHOWN_COLUMNS = 10


def fault_of_input(error: BaseException) -> BadInputError | None:
    """The refusal for `error`, if it was raised while an argument of run() was converted; else None."""
    frames = _conversions(error)
    if not frames:
        return None
    names: list[Any] = list(dict.fromkeys(frame.f_locals.get("param_name") for frame in frames))
    place = f", in {''.join(f'[{name!r}]' for name in names[1:])}," if names[1:] else ""
    wanted, value = frames[-1].f_locals.get("param_type"), frames[-1].f_locals.get("input_data")
    expected = f"expected {_expected(wanted)}, got {_shape_of(value)}"
    message = f"The value of parameter {names[0]!r}{place} does not fit: {expected}"
    return BadInputError({"message": f"{message} ({summary(error)})"})


def _conversions(error: BaseException) -> list[FrameType]:
    """The frames that converted an argument, and the parts within it; none if it was not there that it failed."""
    found: list[FrameType] = []
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == _CONVERTING and _MODULE in frame.f_globals.get("__name__", ""):
            found.append(frame)
        trace = trace.tb_next
    return found


def _expected(wanted: Any) -> str:
    sample: Any = getattr(wanted, "sample_input", None)
    if hasattr(sample, "columns") and hasattr(sample, "dtypes"):
        names = [str(name) for name in sample.columns]
        more = ", ..." if len(names) > _SHOWN_COLUMNS else ""
        orient = getattr(wanted, "orient", "records")
        return f"a table ({orient}) with the {len(names)} columns {', '.join(names[:_SHOWN_COLUMNS])}{more}"
    if hasattr(sample, "dtype") and hasattr(sample, "shape"):
        sizes = ", ".join(["any number", *(str(size) for size in sample.shape[1:])])
        return f"an array of {sample.dtype} of shape ({sizes})"
    kind: type[Any] = sample.__class__
    return {dict: "an object", list: "a list", tuple: "a list", str: "a string", float: "a number"}.get(
        kind, f"a value of type {kind.__name__}"
    )


def _shape_of(value: Any) -> str:
    if is_object(value):
        return f"an object with the keys {', '.join(repr(key) for key in list(value)[:_SHOWN_COLUMNS]) or 'none'}"
    if not is_list(value):
        return kind_of(value)
    sizes: list[int] = []
    inner: Any = value
    while is_list(inner):
        sizes.append(len(inner))
        inner = inner[0] if inner else None
    return f"a list of shape ({', '.join(map(str, sizes))})"

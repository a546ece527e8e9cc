"""When two results of a model are the same."""

from __future__ import annotations

from typing import Any

from penstock_worker.kinds import is_list

_TOLERANCE = {"f8": (1e-9, 1e-12), "f4": (1e-5, 1e-7)}  # relative, absolute: sums may be made in another order


def equal_results(found: Any, expected: Any, numpy: Any) -> bool:
    """Equal in form and value; floats within what another order of summing makes of them. May raise anything."""
    if hasattr(expected, "to_numpy"):
        same = type(found) is type(expected) and list(getattr(found, "columns", ())) == list(
            getattr(expected, "columns", ())
        )
        return same and equal_results(found.to_numpy(), expected.to_numpy(), numpy)
    if not isinstance(expected, numpy.ndarray):
        return found.__class__ is expected.__class__ and bool(found == expected)
    if is_list(found):
        found = numpy.array(found, dtype=expected.dtype)  # what `split` has made of an array
    if getattr(found, "dtype", None) != expected.dtype or found.shape != expected.shape:
        return False
    if expected.dtype.kind != "f":
        return bool(numpy.array_equal(found, expected))
    relative, absolute = _TOLERANCE.get(expected.dtype.str[1:], (0.0, 0.0))
    return bool(numpy.allclose(found, expected, rtol=relative, atol=absolute, equal_nan=True))

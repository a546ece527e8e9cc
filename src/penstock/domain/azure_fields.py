"""Fields as Azure writes them: keys in any spelling, numbers as text. All raise ValueError that names the place."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from penstock.domain.durations import span, span_text
from penstock.domain.errors import PenstockError
from penstock.domain.fields import nearest

Fields = dict[str, Any]


def taken(value: Mapping[str, Any], known: Sequence[str], where: str) -> Fields:
    """`value` with Azure's spelling of its keys; raises ValueError for one that Azure does not have there."""
    spelled = {_fold(name): name for name in known}
    result: Fields = {}
    for key, inner in value.items():
        name = spelled.get(_fold(key))
        if name is None:
            near = nearest(key, known)
            hint = f"did you mean {near!r}?" if near else f"known fields: {', '.join(known)}"
            raise ValueError(f"{where}: unknown field {key[:80]!r} ({hint})")
        if inner is not None:
            result[name] = inner
    return result


def folded(value: Any) -> Fields:
    return {_fold(str(key)): inner for key, inner in cast(Mapping[str, Any], value).items()}


def _fold(name: str) -> str:
    return str(name).replace("_", "").lower()


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: expected fields, got {type(value).__name__}")
    return cast(Mapping[str, Any], value)


def listed(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected a list, got {type(value).__name__}")
    return cast(Sequence[Any], value)


def word(fields: Mapping[str, Any], name: str, words: Mapping[str, str], where: str) -> str:
    written = str(fields.get(name, ""))
    found = words.get(written.lower())
    if found is None:
        raise ValueError(f"{where}: {name} is {written[:40]!r}: there are {', '.join(words)}")
    return found


def number(value: Any, where: str) -> int:
    """Azure writes numbers as text."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,5}", str(value), re.ASCII):
        raise ValueError(f"{where} is {str(value)[:40]!r}: give a whole number")
    return int(value)


def only(value: Any, where: str) -> int:
    values = cast(list[Any], value) if isinstance(value, list) else [value]
    if len(values) != 1:
        raise ValueError(f"{where} has {len(values)} entries: give one, and a profile for each time of day")
    return number(values[0], where)


def decimal(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{where} is {str(value)[:40]!r}: give a number")
    return f"{value:.6f}".rstrip("0").rstrip(".")


def squeezed(value: Any, where: str) -> str:
    """A span without what would part words; `0:05:00` is how older versions of az print one."""
    try:
        return span_text(span(str(value)))
    except PenstockError as err:
        raise ValueError(f"{where}: {err.message}") from None

"""What differs between two specs, in words that may be stored and logged: nothing that may be secret is among them."""

import re
from collections.abc import Mapping, Sequence
from typing import cast

from penstock.domain.diff import Difference

_HIDDEN = "(hidden)"
_MOST = 10  # differences that are spelt out; a sentence is for people
# Fields that hold what users pass to their own programs, or lines of installers that may carry credentials.
_PRIVATE = frozenset(
    {"environment_variables", "environment", "conda_file", "requirements", "properties", "identity", "data_collector"}
)
_SECRET_NAME = re.compile(r"key|token|secret|passw|pwd|credential|connection|sas", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"://[^/\s]*@|[?&]sig=|-----BEGIN ", re.IGNORECASE)


def sentence(found: Sequence[Difference]) -> str:
    """`traffic.blue: 90 -> 10, environment_variables.TOKEN`: paths with old and new values, and paths alone for
    fields that may be secret."""
    parts = [shown(difference) for difference in found[:_MOST]]
    if len(found) > _MOST:
        parts.append(f"and {len(found) - _MOST} more")
    return ", ".join(parts)


def shown(difference: Difference) -> str:
    """One difference; without its values if they may be secret."""
    return difference.path[:200] if _may_be_secret(difference) else str(difference)


def masked(name: str, value: object) -> object:
    """`value` of the field `name` for people who asked to see it: text under a name that sounds secret, and
    credentials in URLs, are hidden."""
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, object], value)
        return {key: masked(key, inner) for key, inner in fields.items()}
    if isinstance(value, (list, tuple)):
        return [masked(name, inner) for inner in cast(Sequence[object], value)]
    hidden = isinstance(value, str) and (_SECRET_NAME.search(name) or _SECRET_VALUE.search(value))
    return _HIDDEN if hidden else value


def _may_be_secret(difference: Difference) -> bool:
    path = difference.path
    if not _PRIVATE.isdisjoint(path.split(".")) or _SECRET_NAME.search(path):
        return True
    # A field that appears or goes as a whole is a mapping or a list here, which may hold any of these in turn.
    return any(_holds_secret(value) for value in (difference.old, difference.new))


def _holds_secret(value: object) -> bool:
    if isinstance(value, (dict, list)):
        text = repr(value)  # pyright: ignore[reportUnknownArgumentType]
        return any(name in text for name in _PRIVATE) or bool(_SECRET_NAME.search(text) or _SECRET_VALUE.search(text))
    return bool(_SECRET_VALUE.search(str(value)))

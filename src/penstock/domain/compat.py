"""Whether a deployment or endpoint behaves as Azure ML's does, also where that is a trap. Pure."""

from collections.abc import Mapping

PROPERTY = "penstock.compat"
_STRICT = "strict"


def is_strict(properties: Mapping[str, str]) -> bool:
    return properties.get(PROPERTY, "").lower() == _STRICT


def checked(properties: dict[str, str]) -> dict[str, str]:
    """`properties` if they say of this what can be understood; else a ValueError with the remedy."""
    value = properties.get(PROPERTY)
    if value is not None and not is_strict(properties):
        raise ValueError(f"property {PROPERTY} is {value!r}: give {_STRICT!r}, or leave it out")
    return properties

"""Which deployment callers are assigned to where an endpoint splits its traffic for an A/B test. Pure."""

import hashlib
import math
import re
from collections.abc import Mapping

PROPERTY = "penstock.sticky"
_CALLER = re.compile(r"(header|cookie):([A-Za-z0-9_-]{1,64})\Z")
_UNSEEN = re.compile(r"authorization|azureml-model-deployment|x-penstock-.*")


def checked(properties: dict[str, str]) -> dict[str, str]:
    """`properties` if they say of this what can be understood; else a ValueError with the remedy."""
    value = properties.get(PROPERTY)
    if value is None:
        return properties
    match = _CALLER.match(value)
    if match is None:
        raise ValueError(
            f"property {PROPERTY} is {value!r}: give header:NAME or cookie:NAME of what tells callers apart, "
            "such as header:x-user-id"
        )
    if match[1] == "header" and _UNSEEN.fullmatch(match[2].lower()):
        raise ValueError(f"property {PROPERTY} is {value!r}: the gateway uses this header itself; give another one")
    return properties


def caller(properties: Mapping[str, str]) -> str:
    """What tells callers apart, header:NAME in lower case or cookie:NAME; empty where requests are spread at random."""
    value = properties.get(PROPERTY, "")
    return value.lower() if value.startswith("header:") else value


def assigned(endpoint: str, traffic: Mapping[str, int], value: str) -> str:
    """The deployment for callers whose header or cookie has this value, as `gateway.lua` finds it; empty without any.

    Weighted rendezvous: each deployment draws -ln(u) / percent with u in (0, 1) from a hash of endpoint, deployment
    and value, and the lowest one has the caller. So shares are the percents, and whoever moves when they change
    moves to a deployment whose part has grown compared with the one that is left.
    """
    drawn = {name: _drawn(f"{endpoint}/{name}/{value}") / percent for name, percent in traffic.items() if percent}
    return min(drawn, key=lambda name: drawn[name], default="")


def _drawn(text: str) -> float:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
    return -math.log((number + 0.5) / 2**48)

"""What `-C NAME=VALUE` says, as fields of a deployment or an endpoint. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from penstock.domain.errors import invalid

_PERCENT = re.compile(r"(\d{1,3})\s*%?")
_DEEPEST = 10


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """`traffic` is the percent of the endpoint's requests that the deployment shall get; None: as it is."""

    fields: dict[str, Any]
    traffic: int | None
    endpoint: str | None


def deployment_config(config: Mapping[str, Any] | None) -> Wanted:
    """Fields of an online deployment, and what says where it belongs: `traffic` and `endpoint`."""
    fields = nested(config)
    traffic, endpoint = fields.pop("traffic", None), fields.pop("endpoint", None)
    return Wanted(
        fields=fields,
        traffic=None if traffic is None else percent("traffic", traffic),
        endpoint=str(endpoint) if endpoint else None,
    )


def endpoint_config(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Fields of an online endpoint; traffic may be written `blue=90 green=10`."""
    fields = nested(config)
    for name in ("traffic", "mirror_traffic"):
        if name in fields:
            fields[name] = _percents(name, fields[name])
    return fields


def nested(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """`{"a.b": "1"}` as `{"a": {"b": "1"}}`; values that begin like JSON are JSON."""
    fields: dict[str, Any] = {}
    for path, value in (config or {}).items():
        *way, last = _parts(path)
        here = fields
        for part in way:
            below = here.setdefault(part, {})
            if not isinstance(below, dict):
                raise invalid(f"config {path!r}: {part!r} has a value of its own")
            here = cast(dict[str, Any], below)
        here[last] = _value(path, value)
    return fields


def merged(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with the changes made, maps in maps too."""
    result = dict(fields)
    for name, value in changes.items():
        there = result.get(name)
        both = isinstance(there, Mapping) and isinstance(value, Mapping)
        result[name] = merged(cast(Mapping[str, Any], there), cast(Mapping[str, Any], value)) if both else value
    return result


def percent(name: str, value: object) -> int:
    match = _PERCENT.fullmatch(str(value).strip())
    if match is None or int(match[1]) > 100:
        raise invalid(f"config {name}={value}: give whole percents, 0 to 100")
    return int(match[1])


def _percents(name: str, value: object) -> dict[str, int]:
    if isinstance(value, Mapping):
        pairs = [(str(k), v) for k, v in cast(Mapping[str, Any], value).items()]
    else:
        written = [part.rpartition("=") for part in str(value).replace(",", " ").split()]
        pairs = [(deployment, share) for deployment, _, share in written]
    if not all(deployment for deployment, _ in pairs):
        raise invalid(f'config {name}={value}: write whole percents, e.g. {name}="blue=90 green=10"')
    return {deployment: percent(name, share) for deployment, share in pairs}


def _parts(path: str) -> list[str]:
    parts = path.split(".")
    if not all(parts) or len(parts) > _DEEPEST:
        raise invalid(f"config {path!r}: write names with dots between, e.g. request_settings.request_timeout_ms")
    return parts


def _value(path: str, value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise invalid(f"config {path}={value[:80]} begins like JSON and is not") from None

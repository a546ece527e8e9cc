"""Differences between two specs, field by field: for plans, events and conflicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from penstock.domain.resource import Frozen


@dataclass(frozen=True)
class Difference:
    """One field that differs. `old` or `new` is None where the field is absent or has no value."""

    path: str  # request_settings.request_timeout_ms
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.old)} -> {_shown(self.new)}"


def differences(old: Frozen, new: Frozen) -> tuple[Difference, ...]:
    """The fields in which two specs differ, by path; defaults count as given."""
    return tuple(_walk("", old.model_dump(mode="json"), new.model_dump(mode="json")))


def _walk(path: str, old: object, new: object) -> list[Difference]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        before, after = cast(Mapping[str, Any], old), cast(Mapping[str, Any], new)
        found: list[Difference] = []
        for name in sorted({*before, *after}):
            found += _walk(f"{path}.{name}" if path else name, before.get(name), after.get(name))
        return found
    return [] if old == new else [Difference(path, cast(object, old), cast(object, new))]


def _shown(value: object) -> str:
    if value is None:
        return "(none)"
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."

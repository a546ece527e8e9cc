"""Differences between two specs, field by field: for plans, events and conflicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

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
    before, after = _mapping(old), _mapping(new)
    if before is not None and after is not None:
        found: list[Difference] = []
        for name in sorted({*before, *after}):
            found += _walk(f"{path}.{name}" if path else name, before.get(name), after.get(name))
        return found
    return [] if old == new else [Difference(path, old, new)]


def _mapping(value: object) -> Mapping[str, object] | None:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else None


def _shown(value: object) -> str:
    if value is None:
        return "(none)"
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."

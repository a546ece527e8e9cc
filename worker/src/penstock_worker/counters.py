"""Counters of an instance, and their text form for Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


class Counters:
    """Numbers that only grow, by name and labels; and gauges, which are asked when they are shown."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        self._gauges: dict[str, Callable[[], float]] = {}

    @classmethod
    def of(cls, told: Iterable[Any]) -> Counters:
        """What `told` told."""
        counters = cls()
        for name, labels, amount in told:
            counters.add(name, amount, **labels)
        return counters

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count. Names end in `_total`; label values must come from a bounded set."""
        series = self._counts.setdefault(name, {})
        key = tuple(sorted(labels.items()))
        series[key] = series.get(key, 0) + amount

    def gauge(self, name: str, value: Callable[[], float]) -> None:
        self._gauges[name] = value

    def value(self, name: str, **labels: str) -> float:
        """What has been counted; zero for what never was."""
        return self._counts.get(name, {}).get(tuple(sorted(labels.items())), 0)

    def told(self) -> list[Any]:
        """Name, labels and amount of each, as JSON has it."""
        return [
            [name, dict(labels), amount] for name, series in self._counts.items() for labels, amount in series.items()
        ]

    def text(self) -> str:
        lines: list[str] = []
        for name, series in sorted(self._counts.items()):
            lines.append(f"# TYPE {name} counter")
            lines += [f"{name}{_written(labels)} {amount:g}" for labels, amount in sorted(series.items())]
        for name, value in sorted(self._gauges.items()):
            lines += [f"# TYPE {name} gauge", f"{name} {value():g}"]
        return "\n".join(lines) + "\n"


def _written(labels: tuple[tuple[str, str], ...]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{"".join(_ESCAPES.get(c, c) for c in value)}"' for name, value in labels)
    return "{" + ",".join(pairs) + "}"

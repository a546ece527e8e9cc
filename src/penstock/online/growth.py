"""Memory that grows with every request. Pure."""

from collections.abc import Iterable, Sequence

from penstock.domain.observation import Finding, InstanceLook, Look, Severity
from penstock.online.happenings import sized

_FEWEST_REQUESTS = 50
_LEAST_BYTES = 4 * 1024 * 1024  # less is the allocator's noise
_STEADINESS = 0.3  # the second half must grow by at least this much of the first half's slope


def growth_findings(looks: Sequence[Look]) -> Iterable[Finding]:
    """One for the instance that grows most, if it grows with its requests and not only at first."""
    grown = sorted((slope, name) for name, slope in _slopes(looks).items() if slope > 0)
    if grown:
        slope, name = grown[-1]
        yield Finding(
            severity=Severity.SERIOUS,
            what=f"memory grows by {sized(slope)} per request",
            where=name,
            advice="look for lists, dictionaries or caches outside run() that it adds to, and bound them "
            "(functools.lru_cache(maxsize=...))",
        )


def _slopes(looks: Sequence[Look]) -> dict[str, float]:
    """Bytes per request by instance; zero where the growth is small, or stops."""
    series: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for instance in (i for look in looks for i in look.instances):
        if instance.facts is not None and instance.facts.memory_bytes:
            series.setdefault((instance.name, instance.pid), []).append(_point(instance))
    return {name: _slope(points) for (name, _), points in series.items()}


def _point(instance: InstanceLook) -> tuple[int, int]:
    return instance.requests, instance.facts.memory_bytes if instance.facts else 0


def _slope(points: Sequence[tuple[int, int]]) -> float:
    points = [point for n, point in enumerate(points) if n == 0 or point[0] > points[n - 1][0]]
    if len(points) < 3:
        return 0.0
    first, middle, last = points[0], points[len(points) // 2], points[-1]
    if last[0] - first[0] < _FEWEST_REQUESTS or last[1] - first[1] < _LEAST_BYTES:
        return 0.0
    early, late = _between(first, middle), _between(middle, last)
    return late if late > 0 and late >= early * _STEADINESS else 0.0


def _between(before: tuple[int, int], after: tuple[int, int]) -> float:
    return (after[1] - before[1]) / max(1, after[0] - before[0])

"""What is wrong with requirements that do not resolve, and the smallest change that mends them. Pure but for `resolve`.

As few lines as possible are changed, and each to the nearest version that works. What a change would do is found by
trying it; the number of tries is the resolver's to bound.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from penstock.environments.failures import CLASH
from penstock.environments.lines import package_name

# What models were trained with, and are most bound to: changed after everything else.
_DEAR = frozenset(
    {"scikit-learn", "torch", "tensorflow", "keras", "xgboost", "lightgbm", "catboost", "transformers", "mlflow"}
)
_MOST_SERIES = 12  # looked through on the way to the nearest version
_MOST_PARTNERS = 20  # looked through for the other side of a clash
_MOST_DROPPED = 5

Resolve = Callable[[Sequence[str]], "Resolution"]


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What lines of requirements come to: versions by package, or the sentence that says why there are none."""

    versions: Mapping[str, str]
    fault: str | None = None

    @property
    def resolved(self) -> bool:
        return self.fault is None


class EnoughTriedError(Exception):
    """Raised by a resolver that was asked too often, or for too long."""


@dataclass(frozen=True)
class Change:
    """One line, and what to write in its place; None: nothing."""

    old: str
    new: str | None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """`faults` are sentences; without any, the lines resolve to `versions`. `changes` together mend all of them.

    `complete` is false if the resolver had enough before the search was over.
    """

    versions: Mapping[str, str]
    faults: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    complete: bool = True


def examine(lines: Sequence[str], resolve: Resolve) -> Findings:
    """Find out whether `lines` resolve, and if not, what to change.

    1. One line alone, if that is enough: of those that are to blame, the one with the nearest version that works.
    2. Else all lines that say a version are loosened, and given back as long as the rest resolves; those that cannot
       be given back get the nearest version. Packages that cannot be had in any version are left out.
    """
    try:
        first = resolve(lines)
    except EnoughTriedError:
        return Findings(versions={}, complete=False)
    if first.fault is None:
        return Findings(versions=first.versions)
    found: tuple[Change, ...] = ()
    try:
        found = _one_change(lines, first.fault, resolve) or _changes(lines, resolve)
        faults = [_blamed(change.old, lines, found, resolve) for change in found]
    except EnoughTriedError:
        return Findings(versions={}, faults=(first.fault,), changes=found, complete=False)
    return Findings(versions={}, faults=tuple(dict.fromkeys(faults)) or (first.fault,), changes=found)


def _one_change(lines: Sequence[str], fault: str, resolve: Resolve) -> tuple[Change, ...]:
    """The single change that mends everything; none if there is no such."""
    ways: list[tuple[int, Change]] = []
    for line in _least_dear_first(_loosenable(lines)):
        if not _is_named(line, fault):
            continue
        if resolve(_swapped(lines, {line: _loosened(line)})).resolved:
            distance, new = _nearest(line, lines, {}, resolve)
            ways.append((distance, Change(line, new)))
    return () if not ways else (min(ways, key=lambda way: way[0])[1],)


def _changes(lines: Sequence[str], resolve: Resolve) -> tuple[Change, ...]:
    """Changes that mend everything together; none if nothing does."""
    swaps: dict[str, str | None] = {line: _loosened(line) for line in _loosenable(lines)}
    dropped = _unobtainable(lines, swaps, resolve)
    if dropped is None:
        return ()
    swaps |= dict.fromkeys(dropped)
    loose = [line for line in swaps if line not in dropped]
    for line in _given_back(loose, lines, swaps, resolve):
        del swaps[line]
    for line in [line for line in swaps if line not in dropped]:
        swaps[line] = _nearest(line, lines, swaps, resolve)[1]
    return tuple(Change(line, swaps[line]) for line in lines if line in swaps)


def _unobtainable(lines: Sequence[str], swaps: Mapping[str, str | None], resolve: Resolve) -> list[str] | None:
    """The lines without which the others, loosened, resolve; None if that is not found out."""
    dropped: list[str] = []
    for _ in range(_MOST_DROPPED + 1):
        fault = resolve(_swapped(lines, {**swaps, **dict.fromkeys(dropped)})).fault
        if fault is None:
            return dropped
        blamed = [line for line in lines if line not in dropped and _is_named(line, fault)]
        if not blamed:
            return None
        dropped.append(min(blamed, key=_is_dear))
    return None


def _given_back(
    loose: Sequence[str], lines: Sequence[str], swaps: Mapping[str, str | None], resolve: Resolve
) -> Sequence[str]:
    """Those of the `loose` lines that can all stay as they are; halves are tried before single lines."""
    kept: list[str] = []
    waiting = [list(reversed(_least_dear_first(loose)))]
    while waiting:
        group = waiting.pop()
        swapped = {line: new for line, new in swaps.items() if line not in (*kept, *group)}
        if not group or resolve(_swapped(lines, swapped)).resolved:
            kept += group
        elif len(group) > 1:
            half = len(group) // 2
            waiting += [group[half:], group[:half]]  # the dearer half comes first
    return kept


def _nearest(
    line: str, lines: Sequence[str], swaps: Mapping[str, str | None], resolve: Resolve
) -> tuple[int, str | None]:
    """The line with the nearest version that works, and how far that is: 0 for the same series.

    A newer version is nearer than an older one, and of a series the last version is taken.
    """
    name = package_name(line) or ""
    old = _pinned(line)

    def version(*bounds: str) -> str | None:
        wish = {**swaps, line: _with_version(line, ",".join(bounds))}
        return resolve(_swapped(lines, wish)).versions.get(name)

    for distance, bounds in enumerate(_windows(old)):
        found = version(*bounds)
        for _ in range(_MOST_SERIES if found is not None and bounds and bounds[0].startswith(">=") else 0):
            nearer = version(*bounds, f"<{_series(found)}")
            if nearer is None:
                break
            found = nearer
        if found is not None:
            return distance, _with_version(line, f"=={found}")
    return len(_windows(old)), _loosened(line)


def _windows(old: Version | None) -> Sequence[tuple[str, ...]]:
    """Bounds within which to look for another version than `old`, the nearest first."""
    if old is None:
        return ((),)
    same_series, newer = f"=={old.major}.{old.minor}.*", f">={old.public}"
    return ((same_series,), (newer, f"=={old.major}.*"), (newer,), (f"<{old.public}",))


def _blamed(line: str, lines: Sequence[str], changes: Sequence[Change], resolve: Resolve) -> str:
    """What is wrong with `line`: in itself, or beside which other one."""
    options = [other for other in lines if other.startswith("-")]
    alone = resolve([*options, line])
    if alone.fault is not None and alone.fault.startswith(CLASH):
        return f"{line} cannot be had: {alone.fault.removeprefix(CLASH)}"
    if alone.fault is not None:
        return alone.fault if line in alone.fault else f"{line}: {alone.fault}"
    whole = resolve(_swapped(lines, {c.old: c.new for c in changes if c.old != line})).fault or ""
    others = [other for other in lines if other != line and package_name(other) is not None]
    named = [other for other in others if _is_named(other, whole)]
    for other in [*named, *(other for other in others if other not in named)][:_MOST_PARTNERS]:
        pair = resolve([*options, line, other])
        if pair.fault is not None and resolve([*options, other]).resolved:
            return f"{line} does not go with {other}: {pair.fault.removeprefix(CLASH)}"
    return f"{line}: {whole}"


def _swapped(lines: Sequence[str], swaps: Mapping[str, str | None]) -> list[str]:
    changed = (swaps.get(line, line) for line in lines)
    return [line for line in changed if line is not None]


def _loosenable(lines: Sequence[str]) -> list[str]:
    """The lines that ask for certain versions."""
    return list(dict.fromkeys(line for line in lines if (found := _parsed(line)) is not None and found.specifier))


def _loosened(line: str) -> str:
    return _with_version(line, "")


def _with_version(line: str, specifier: str) -> str:
    """The line, an understood one, with another version and no hashes."""
    found = _parsed(line)
    if found is None:
        return line
    extras = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
    marker = f"; {found.marker}" if found.marker else ""
    return f"{found.name}{extras}{specifier}{marker}"


def _pinned(line: str) -> Version | None:
    """The version that a line like `numpy==1.20.0` pins; of `numpy==1.20.*`, 1.20."""
    found = _parsed(line)
    pins = [s.version.removesuffix(".*") for s in found.specifier if s.operator in ("==", "~=")] if found else []
    try:
        return Version(pins[0]) if pins else None
    except InvalidVersion:
        return None


def _series(version: str | None) -> str:
    try:
        parsed = Version(version or "0")
    except InvalidVersion:
        return "0"
    return f"{parsed.epoch}!{parsed.major}.{parsed.minor}" if parsed.epoch else f"{parsed.major}.{parsed.minor}"


def _parsed(line: str) -> Requirement | None:
    try:
        return None if line.startswith("-") else Requirement(line.partition(" --hash")[0])
    except InvalidRequirement:
        return None


def _is_named(line: str, fault: str) -> bool:
    name = package_name(line)
    return name is not None and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", fault, re.IGNORECASE) is not None


def _least_dear_first(lines: Sequence[str]) -> list[str]:
    return sorted(lines, key=_is_dear)


def _is_dear(line: str) -> bool:
    return package_name(line) in _DEAR

"""Prometheus' text format: read, given more labels, and put together again. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)\Z")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|\Z)')
_TYPE = re.compile(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)\Z")
_SUFFIX = re.compile(r"_(bucket|sum|count)\Z")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@dataclass(frozen=True)
class Sample:
    """One value. Labels are as they are written, escapes included."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Exposition:
    """Samples, and the types of their families."""

    samples: tuple[Sample, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict[str, str])

    def value(self, name: str, **labels: str) -> float:
        """The sum of all values of a name that have these labels."""
        wanted = labels.items()
        return sum(s.value for s in self.samples if s.name == name and wanted <= s.labels.items())


def parse(text: str) -> Exposition:
    """What can be understood of `text`; other lines are passed over, as whoever wrote them need not be trusted."""
    samples: list[Sample] = []
    types: dict[str, str] = {}
    for line in text.splitlines():
        typed = _TYPE.match(line)
        if typed:
            types[typed[1]] = typed[2]
        elif sample := _sample(line):
            samples.append(sample)
    return Exposition(tuple(samples), types)


def labelled(exposition: Exposition, labels: Mapping[str, str]) -> Exposition:
    """The same with `labels`, which win over those that are there."""
    written = {name: value.translate(_ESCAPES) for name, value in labels.items()}
    samples = tuple(Sample(s.name, {**written, **s.labels, **written}, s.value) for s in exposition.samples)
    return Exposition(samples, exposition.types)


def merged(parts: Iterable[Exposition]) -> str:
    """One text of all parts, in which each family stands in one place."""
    families: dict[str, list[Sample]] = {}
    types: dict[str, str] = {}
    for part in parts:
        types |= part.types
        for sample in part.samples:
            families.setdefault(_family(sample.name, part.types), []).append(sample)
    lines: list[str] = []
    for name, samples in families.items():
        if name in types:
            lines.append(f"# TYPE {name} {types[name]}")
        lines += map(_written, samples)
    return "\n".join(lines) + "\n" if lines else ""


def _sample(line: str) -> Sample | None:
    found = _LINE.match(line)
    if not found:
        return None
    try:
        value = float(found[3])
    except ValueError:
        return None
    text = found[2] or ""
    labels = {label[1]: label[2] for label in _LABEL.finditer(text)}
    whole = sum(len(label[0]) for label in _LABEL.finditer(text)) == len(text)
    return Sample(found[1], labels, value) if whole else None


def _family(name: str, types: Mapping[str, str]) -> str:
    base = _SUFFIX.sub("", name)
    return base if types.get(base) in ("histogram", "summary") else name


def _written(sample: Sample) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    number = repr(sample.value)
    return f"{sample.name}{{{labels}}} {number}" if labels else f"{sample.name} {number}"

"""A simulation as a picture (SVG, nothing from elsewhere) and as lines of text."""

from collections.abc import Callable, Sequence
from html import escape

from penstock.online.simulation import Column, Simulation

_WIDTH, _HEIGHT = 960, 130  # of a panel's plot
_LEFT, _TOP, _GAP = 70, 64, 58
_BARS = "▁▂▃▄▅▆▇█"
_SPARKS = 60

Values = Sequence[float | None]


def svg(simulation: Simulation, title: str) -> str:
    """Panels above one another: requests a second, instances, waiting requests, p99, cost."""
    columns = simulation.columns
    panels = [
        _panel("requests/s", columns, [("arriving", "#4477aa", _of(columns, lambda c: c.rate))]),
        _panel(
            "instances",
            columns,
            [
                ("wanted", "#cc6677", _of(columns, lambda c: c.wanted)),
                ("ready", "#228833", _of(columns, lambda c: c.ready)),
            ],
        ),
        _panel(
            "requests waiting, lost",
            columns,
            [
                ("waiting", "#4477aa", _of(columns, lambda c: c.waiting)),
                ("lost", "#cc3311", _of(columns, lambda c: c.lost)),
            ],
        ),
        _panel("p99 in ms", columns, [("p99", "#aa3377", _of(columns, _milliseconds))]),
        _panel("instance-hours", columns, [("so far", "#222255", _of(columns, lambda c: c.instance_hours))]),
    ]
    height = _TOP + len(panels) * (_HEIGHT + _GAP)
    placed = [
        f'<g transform="translate({_LEFT},{_TOP + n * (_HEIGHT + _GAP)})">{panel}</g>' for n, panel in enumerate(panels)
    ]
    head = f'<text x="{_LEFT}" y="24" font-size="17">{escape(title)}</text>'
    sums = f'<text x="{_LEFT}" y="44" fill="#555">{escape(sentence(simulation))}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 30}" height="{height}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f"{head}{sums}{''.join(placed)}</svg>\n"
    )


def sentence(simulation: Simulation) -> str:
    """The sum of it: `1,234 requests, 0 lost, p99 48 ms, 56.1 instance-hours, 1 to 4 instances, 102 changes`."""
    p99 = "-" if simulation.p99 is None else f"{simulation.p99 * 1000:.3g} ms"
    return (
        f"{simulation.requests:,} requests, {simulation.lost:,} lost, p99 {p99}, "
        f"{simulation.instance_hours:.4g} instance-hours, {simulation.most_instances} instances at most, "
        f"{len(simulation.changes)} changes"
    )


def curves(simulation: Simulation) -> dict[str, list[float | None]]:
    """The same in sixty points: of each part the most."""
    columns = simulation.columns
    found: dict[str, Values] = {
        "requests_per_second": _of(columns, lambda c: c.rate),
        "instances": _of(columns, lambda c: c.ready),
        "waiting": _of(columns, lambda c: c.waiting),
        "p99_ms": _of(columns, _milliseconds),
    }
    return {name: _peaks(values) for name, values in found.items()}


def sparkline(values: Values) -> str:
    """Bars of text, and the most."""
    most = max((value for value in values if value is not None), default=0)
    heights = ["" if v is None else round((len(_BARS) - 1) * v / most) if most else 0 for v in values]
    return "".join(" " if height == "" else _BARS[int(height)] for height in heights) + f" {most:.4g}"


def _of(columns: Sequence[Column], value: Callable[[Column], float | None]) -> Values:
    return [value(column) for column in columns]


def _milliseconds(column: Column) -> float | None:
    return None if column.p99 is None else column.p99 * 1000


def _panel(title: str, columns: Sequence[Column], curves: Sequence[tuple[str, str, Values]]) -> str:
    most = max((value for _, _, values in curves for value in values if value is not None), default=0) or 1
    last = columns[-1].at or 1
    parts = [f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#ccc"/>']
    parts.append(f'<text x="0" y="-8" font-weight="bold">{escape(title)}</text>')
    for share in (0.0, 0.5, 1.0):
        y = _HEIGHT * (1 - share)
        parts.append(f'<line x1="0" x2="{_WIDTH}" y1="{y:g}" y2="{y:g}" stroke="#eee"/>')
        parts.append(f'<text x="-8" y="{y + 4:g}" text-anchor="end" fill="#555">{most * share:.3g}</text>')
    for n, (name, colour, values) in enumerate(curves):
        x = 130 + n * 100
        parts.append(f'<text x="{x}" y="-8" fill="{colour}">{escape(name)}</text>')
        parts.append(f'<path d="{_path(columns, values, most, last)}" fill="none" stroke="{colour}"/>')
    for n in range(7):
        at = last * n / 6
        x = _WIDTH * n / 6
        parts.append(f'<text x="{x:g}" y="{_HEIGHT + 16}" text-anchor="middle" fill="#555">{_clock(at)}</text>')
    return "".join(parts)


def _path(columns: Sequence[Column], values: Values, most: float, last: float) -> str:
    """Steps; the pen is lifted where there is no value."""
    words: list[str] = []
    drawing = False
    for column, value in zip(columns, values, strict=True):
        if value is None:
            drawing = False
            continue
        x, y = _WIDTH * column.at / last, _HEIGHT * (1 - value / most)
        words.append(f"H{x:.1f}V{y:.1f}" if drawing else f"M{x:.1f} {y:.1f}")
        drawing = True
    return "".join(words)


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _peaks(values: Values) -> list[float | None]:
    size = max(1, -(-len(values) // _SPARKS))
    groups = [[v for v in values[n : n + size] if v is not None] for n in range(0, len(values), size)]
    return [round(max(group), 3) if group else None for group in groups]

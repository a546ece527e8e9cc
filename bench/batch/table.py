"""The results as tables in Markdown, aligned for reading as they are."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from claims import CPU, LIMIT, PEAK, PENSTOCK, STEADY, Value, ratios, verdicts
from measured import Measured


def results(found: Sequence[Measured]) -> str:
    """A row for each side in each case; ratios are medians of the rounds'."""
    head = ["case", "side", "rows/s steady", "of the limit", "Penstock is x", "wall s", "of the limit", "Penstock is x"]
    head += ["peak MiB", "of the limit", "cpu s", "of the limit"]
    rows = []
    for case in dict.fromkeys(m.case for m in found):
        for side in dict.fromkeys(m.side for m in found if m.case == case):
            cell = [m for m in found if (m.case, m.side) == (case, side)]
            row = [case, side]
            row += [_spread(cell, STEADY), *_ratios(found, case, "steady", side)]
            row += [_spread(cell, lambda m: m.wall, "{:.1f}"), *_ratios(found, case, "wall", side)]
            row += [_spread(cell, PEAK), _ratio(ratios(found, case, "peak", side, LIMIT))]
            rows.append([*row, _spread(cell, CPU, "{:.1f}"), _ratio(ratios(found, case, "cpu", side, LIMIT))])
    return markdown("Rows scored: median of the rounds (least to most); ratios within rounds", head, rows)


def stages(found: Sequence[Measured]) -> str:
    """Where the limit's time of the processor goes."""
    cells = {}
    for m in found:
        if m.side == LIMIT and "cpu" in m.more:
            cells.setdefault(m.case, []).append(m.more["cpu"])
    head = ["case", "read", "convert", "predict", "write", "run"]
    rows = [
        [case, *(f"{statistics.median(each.get(stage, 0.0) for each in cell):.1f}" for stage in head[1:])]
        for case, cell in cells.items()
    ]
    return markdown("The limit: seconds of the processor by stage, both processes", head, rows)


def claims(found: Sequence[Measured]) -> str:
    head = ["case", "Penstock against", "what", "target", "median", "rounds", "reached"]
    rows = [
        [
            v.case,
            v.claim.other,
            v.claim.what,
            f"{'at most' if v.claim.below else 'at least'} {v.claim.target:g}",
            f"{v.ratio:.2f}",
            " ".join(f"{ratio:.2f}" for ratio in v.ratios),
            "yes" if v.reached else "NO",
        ]
        for v in verdicts(found)
    ]
    return markdown("What was to be reached", head, rows)


def ledger(found: Mapping[str, Mapping[str, float]]) -> str:
    head = ["job of", "transactions", "seconds", "of the steady time"]
    rows = [
        [name, f"{cost['writes']:.0f}", f"{cost['seconds']:.3f}", f"{cost['share']:.2%} (target 1 %)"]
        for name, cost in found.items()
    ]
    return markdown("The ledger: everything written to it again, one by one", head, rows)


def markdown(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return f"\n### {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratios(found: Sequence[Measured], case: str, what: str, side: str) -> list[str]:
    """The side's to the limit's, and Penstock's to the side's."""
    return [_ratio(ratios(found, case, what, side, LIMIT)), _ratio(ratios(found, case, what, PENSTOCK, side))]


def _ratio(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f}" if values else ""


def _spread(cell: Sequence[Measured], value: Value | Callable[[Measured], float], form: str = "{:,.0f}") -> str:
    values = [known for m in cell if (known := value(m)) is not None]
    if not values:
        return ""
    middle = form.format(statistics.median(values))
    return f"{middle} ({form.format(min(values))} to {form.format(max(values))})" if len(values) > 1 else middle

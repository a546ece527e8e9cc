"""Does the new deployment have more of something bad than the old one? Answers that stay right however often one asks.

Pure; ADR 0014 argues for the method. A "hit" is a request that went badly: failed, refused, slower than a threshold.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)  # of the rates: the alternatives that are bet on, equally
_FEWEST = 5  # groups of blocks from which a dispersion can be told
_SURE = 700.0  # logarithms are cut here: beyond it floats end


@dataclass(frozen=True)
class Tally:
    """What both deployments counted in the same span of time."""

    new_hits: int
    new_total: int
    old_hits: int = 0
    old_total: int = 0


def against_old(tallies: Sequence[Tally]) -> float:
    """Logarithm of the evidence that the new deployment's rate of hits is above the old one's.

    If the two are alike, its exponential is above 1/a at any time with a probability of at most a (Ville's inequality
    for a test martingale): within a block, given the totals, each hit falls on the new deployment with the
    probability of its share of the requests. Two things make it hold where hits come in bursts: the logarithm is
    divided by their dispersion, and the block that speaks loudest is left out.
    """
    told = [t for t in tallies if t.new_total and t.old_total and t.new_hits + t.old_hits]
    if not told:
        return 0.0
    gains = [[_gain(t, ratio) for t in told] for ratio in _RATIOS]
    return _without_loudest(gains, _dispersion(told))


def against_limit(tallies: Sequence[Tally], limit: float) -> float:
    """The same for the new deployment's rate being above `limit`, a share between 0 and 1."""
    told = [t for t in tallies if t.new_total]
    if not told or not 0 < limit < 1:
        return 0.0
    rates = [1 - (1 - limit) / ratio for ratio in _RATIOS] if limit > 0.5 else [min(0.99, limit * r) for r in _RATIOS]
    gains = [[_limit_gain(t, limit, rate) for t in told] for rate in rates]
    return _without_loudest(gains, _limit_dispersion(told))


def is_sure(log_evidence: float, alpha: float) -> bool:
    """True if evidence of that strength comes about by chance with a probability of at most `alpha`."""
    return log_evidence >= -math.log(alpha)


def _gain(tally: Tally, ratio: float) -> float:
    weight = tally.new_total / tally.old_total
    alike, worse = weight / (weight + 1), weight * ratio / (weight * ratio + 1)
    return tally.new_hits * math.log(worse / alike) + tally.old_hits * math.log((1 - worse) / (1 - alike))


def _limit_gain(tally: Tally, limit: float, rate: float) -> float:
    fine = tally.new_total - tally.new_hits
    return tally.new_hits * math.log(rate / limit) + fine * math.log((1 - rate) / (1 - limit))


def _without_loudest(gains: Sequence[Sequence[float]], dispersion: float) -> float:
    """The least evidence, over the blocks, that remains without one of them; a mean over the alternatives."""
    sums = [sum(row) for row in gains]
    return min(
        _log_mean([(total - row[block]) / dispersion for total, row in zip(sums, gains, strict=True)])
        for block in range(len(gains[0]))
    )


def _log_mean(logs: Sequence[float]) -> float:
    highest = max(logs)
    total = highest + math.log(sum(math.exp(each - highest) for each in logs) / len(logs))
    return max(-_SURE, min(_SURE, total))


def _dispersion(tallies: Sequence[Tally]) -> float:
    """How many times the variance of hits between blocks is what chance alone makes; at least 1.

    Taken about the ratio that fits best, so that a new deployment that is steadily worse is no dispersion.
    """
    ratio = _best_ratio(tallies)
    worst = 1.0
    for groups in _groupings(tallies):
        worst = max(worst, sum(_residual(group, ratio) for group in groups) / (len(groups) - 1))
    return worst


def _best_ratio(tallies: Sequence[Tally]) -> float:
    """Of the rates, with every block weighed by its requests (Mantel and Haenszel's estimate)."""
    above = sum(t.new_hits * t.old_total / (t.new_total + t.old_total) for t in tallies)
    below = sum(t.old_hits * t.new_total / (t.new_total + t.old_total) for t in tallies)
    return above / below if below else math.inf


def _residual(tallies: Sequence[Tally], ratio: float) -> float:
    """Squared difference of hits of a group of blocks from what is expected, in units of chance's variance."""
    surplus = variance = 0.0
    for tally in tallies:
        hits = tally.new_hits + tally.old_hits
        weight = tally.new_total / tally.old_total * ratio
        share = 1.0 if math.isinf(weight) else weight / (weight + 1)
        surplus += tally.new_hits - hits * share
        variance += hits * share * (1 - share)
    return surplus * surplus / variance if variance > 0 else 0.0


def _limit_dispersion(tallies: Sequence[Tally]) -> float:
    rate = sum(t.new_hits for t in tallies) / sum(t.new_total for t in tallies)
    worst = 1.0
    for groups in _groupings(tallies) if 0 < rate < 1 else ():
        residuals = 0.0
        for group in groups:
            total = sum(t.new_total for t in group)
            surplus = sum(t.new_hits for t in group) - total * rate
            residuals += surplus * surplus / (total * rate * (1 - rate))
        worst = max(worst, residuals / (len(groups) - 1))
    return worst


def _groupings(tallies: Sequence[Tally]) -> Iterator[Sequence[Sequence[Tally]]]:
    """Blocks by themselves, by twos, by fours and so on: what swings slowly shows in large groups only."""
    size = 1
    while -(-len(tallies) // size) >= _FEWEST:
        yield [tallies[start : start + size] for start in range(0, len(tallies), size)]
        size *= 2

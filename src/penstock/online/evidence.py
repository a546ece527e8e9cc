"""What is known of a step: blocks of time in which old and new served side by side, and predictions of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from penstock.online.shift import MOST_ROWS, Row
from penstock.telemetry.series import Window, joined

_MOST_BLOCKS = 60
_OLD_PER_NEW = 4  # rows of the old deployment for each of the new one: more would tell little more
_SPARE_ROWS = 200


class Block(NamedTuple):
    """The same span of time, as both deployments had it."""

    new: Window
    old: Window


@dataclass(frozen=True)
class Evidence:
    """Bounded whatever a step lasts: where blocks become many, neighbours are joined.

    `size` is how many looks make up a full block.
    """

    blocks: tuple[Block, ...] = ()
    size: int = 1
    in_last: int = 0  # looks that the last block consists of
    new_rows: tuple[Row, ...] = ()
    old_rows: tuple[Row, ...] = ()

    @property
    def requests(self) -> int:
        """That the new deployment answered."""
        return sum(block.new.requests for block in self.blocks)

    @property
    def looks(self) -> int:
        """Spans in which the new deployment answered; they are joined only where there are many."""
        return sum(block.new.requests > 0 for block in self.blocks)

    @property
    def new(self) -> Window | None:
        return _total([block.new for block in self.blocks])

    @property
    def old(self) -> Window | None:
        return _total([block.old for block in self.blocks])

    @property
    def restarts(self) -> tuple[int, int]:
        """Unwanted ends of instances: of the new deployment, and of the old one."""
        return sum(b.new.restarts for b in self.blocks), sum(b.old.restarts for b in self.blocks)

    def with_look(self, new: Window, old: Window) -> "Evidence":
        """With what was measured since the last look. Time in which the new one was not measured says nothing."""
        if new.seconds <= 0:
            return self
        if self.blocks and self.in_last < self.size:
            blocks, in_last = (*self.blocks[:-1], _joined(self.blocks[-1], Block(new, old))), self.in_last + 1
        else:
            blocks, in_last = (*self.blocks, Block(new, old)), 1
        if len(blocks) <= _MOST_BLOCKS:
            return Evidence(blocks, self.size, in_last, self.new_rows, self.old_rows)
        pairs = tuple(
            _joined(*blocks[n : n + 2]) if n + 1 < len(blocks) else blocks[n] for n in range(0, len(blocks), 2)
        )
        odd = len(blocks) % 2
        return Evidence(pairs, self.size * 2, in_last if odd else self.size + in_last, self.new_rows, self.old_rows)

    def with_rows(self, new: Sequence[Row], old: Sequence[Row]) -> "Evidence":
        """With predictions of the same span of time. Of the old deployment's an even sample is kept where they are
        many more, so that both samples are of the same minutes."""
        new_rows = (*self.new_rows, *new)[:MOST_ROWS]
        room = max(0, min(_OLD_PER_NEW * len(new_rows) + _SPARE_ROWS, _OLD_PER_NEW * MOST_ROWS) - len(self.old_rows))
        kept = old if len(old) <= room else [old[n * len(old) // room] for n in range(room)]
        return Evidence(self.blocks, self.size, self.in_last, new_rows, (*self.old_rows, *kept))


def _joined(first: Block, second: Block) -> Block:
    return Block(
        joined((first.new, second.new), first.new.start, second.new.end),
        joined((first.old, second.old), first.old.start, second.old.end),
    )


def _total(windows: Sequence[Window]) -> Window | None:
    known = [window for window in windows if window.seconds > 0]
    return joined(known, known[0].start, known[-1].end) if known else None

"""What a piece of a text comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Decoded:
    """The Arrow table of a piece's records, without those that are none: these by their place among all, and why.

    `bytes` is how long the piece was, 0 if that is not known.
    """

    table: Any
    bytes: int
    rejects: Sequence[tuple[int, str]] = ()

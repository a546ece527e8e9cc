"""Where the time of a mini-batch goes."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class Stages:
    """Seconds by stage, the names of which are those of `batch_contract.Result`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(("read", "validate", "convert", "predict", "write"), 0.0)

    @contextmanager
    def timed(self, stage: str) -> Generator[None]:
        begun = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += perf_counter() - begun

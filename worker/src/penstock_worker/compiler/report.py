"""The report: what the compiler is doing and what has come of it, a line of JSON each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock_worker.compiler.contract import Said

if TYPE_CHECKING:
    from collections.abc import Mapping

_OFTEN = 1.0  # seconds between two words about how far a step is


class CompileError(Exception):
    """What keeps the model from being compiled: step, reason and sentence of the condition, and more to read."""

    def __init__(self, step: str, reason: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.step, self.reason, self.detail = step, reason, detail


class Report:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = 0.0
        self.step = ""  # the last that was spoken of

    def say(self, step: str, reason: str, message: str) -> None:
        self._write(Said(step, reason, message))

    def far(self, step: str, reason: str, message: str) -> None:
        """Say how far a step is, unless something was said just now."""
        if time.monotonic() - self._told >= _OFTEN:
            self.say(step, reason, message)

    def fail(self, error: CompileError) -> None:
        self._write(Said(error.step, error.reason, str(error), failed=True, detail=error.detail))

    def end(self, step: str, reason: str, message: str, outcome: Mapping[str, Any]) -> None:
        self._write(Said(step, reason, message, outcome=outcome))

    def _write(self, said: Said) -> None:
        self._told, self.step = time.monotonic(), said.step
        with self._path.open("a", encoding="utf-8") as file:
            file.write(said.text() + "\n")

"""Which of the files below a folder are meant: globs, and what is passed over as Spark does it. Pure."""

import fnmatch
import re
from collections.abc import Callable, Sequence
from typing import Any

_MAGIC = re.compile(r"[*?\[]")
_ANY_DEPTH = "**"


def split(path: str) -> tuple[str, str]:
    """The folder before the first part with `*`, `?` or `[`, and the glob below it (empty: there is none)."""
    parts = path.split("/")
    at = next((number for number, part in enumerate(parts) if _MAGIC.search(part)), None)
    return (path, "") if at is None else ("/".join(parts[:at]), "/".join(parts[at:]).rstrip("/"))


def is_hidden(part: str) -> bool:
    """True for what Spark passes over: names that begin with `.` or `_` (not `_column=value`), `._COPYING_`; and for
    checksums and the folder markers of Hadoop."""
    begins = part.startswith(".") or (part.startswith("_") and "=" not in part)
    return begins or part.endswith(("._COPYING_", ".crc", "_$folder$"))


class Pattern:
    """A glob: `*`, `?` and `[...]` within a part of a path, `**` for any number of parts; empty for everything.

    `deep`: a folder that matches means all files in it.
    """

    def __init__(self, glob: str, *, deep: bool) -> None:
        self._parts = glob.split("/") if glob else [_ANY_DEPTH]
        self._tests: Sequence[Callable[[str], Any] | None] = [_test(part) for part in self._parts]
        self._deep = deep
        self._plain = self._parts == [_ANY_DEPTH]

    def takes(self, name: str) -> bool:
        """True if the file of that path below the folder is meant."""
        parts = name.split("/")
        if any(self._passed_over(at, part) for at, part in enumerate(parts)):
            return False
        return self._plain or len(self._tests) in self._after(parts)

    def enters(self, name: str) -> bool:
        """True if files in the folder of that path could be meant."""
        parts = name.split("/")
        return not self._passed_over(len(parts) - 1, parts[-1]) and (self._plain or bool(self._after(parts)))

    def _passed_over(self, at: int, part: str) -> bool:
        """Hidden, unless the glob itself says so at that place: `_backup/*.csv`."""
        if not is_hidden(part):
            return False
        own = self._parts[: self._parts.index(_ANY_DEPTH)] if _ANY_DEPTH in self._parts else self._parts
        return not (at < len(own) and own[at][:1] == part[:1] and own[at] != "*")

    def _after(self, parts: Sequence[str]) -> set[int]:
        """How many parts of the glob can have been used up once `parts` have been read."""
        states = self._skipping({0})
        for part in parts:
            states = self._skipping({after for state in states for after in self._step(state, part)})
        return states

    def _step(self, state: int, part: str) -> tuple[int, ...]:
        if state == len(self._tests):
            return (state,) if self._deep else ()
        test = self._tests[state]
        if test is None:
            return (state,)
        return (state + 1,) if test(part) else ()

    def _skipping(self, states: set[int]) -> set[int]:
        """`**` may also stand for nothing."""
        for state in sorted(states):
            at = state
            while at < len(self._tests) and self._tests[at] is None:
                at += 1
                states.add(at)
        return states


def _test(part: str) -> Callable[[str], Any] | None:
    return None if part == _ANY_DEPTH else re.compile(fnmatch.translate(part)).match

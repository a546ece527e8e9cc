"""Patterns for texts: regular expressions that cannot take long, whatever text they are given.

Python's engine tries again and again where a pattern leaves a choice. The choices of a pattern are counted before it is
taken: those of all its `?`, `*`, `{m,n}` and `|` multiplied, with texts of bounded length. Repetitions of
what repeats or chooses in itself, references and looks around are not taken at all.
"""

from __future__ import annotations

import re
from typing import Callable, Optional

LONGEST = 200  # characters of a pattern
LONGEST_TEXT = 256  # characters of a text that is matched; longer ones do not match
_MOST_CHOICES = 100_000
_COUNT = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}")
_MARKS = {"*": (0, LONGEST_TEXT), "+": (1, LONGEST_TEXT), "?": (0, 1)}
_ESCAPED = frozenset("dDwWsSbB") | frozenset(r".^$*+?{}[]\|()-/ '\"#&~:;,<>=!@%_")


class PatternError(ValueError):
    """The pattern is not taken; the message says why."""


def parse_pattern(text: str) -> Callable[[str], Optional[object]]:
    """What matches whole texts as `text` says, in bounded time; raises `PatternError`."""
    if len(text) > LONGEST:
        raise PatternError(f"the pattern has {len(text)} characters; at most {LONGEST} are taken")
    reader = _Reader(text)
    choices = reader.alternatives()
    if reader.at < len(text):
        raise PatternError(f"pattern {text!r}: unbalanced parenthesis at character {reader.at + 1}")
    if choices > _MOST_CHOICES:
        raise PatternError(
            f"pattern {text!r} leaves too many choices, which may take long: bound its repetitions, as in [0-9]{{1,8}}"
        )
    try:
        # In ASCII \d is [0-9], as whoever writes it means.
        compiled = re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"pattern {text!r} is not a regular expression: {error}") from None
    return lambda value: None if len(value) > LONGEST_TEXT else compiled.fullmatch(value)


class _Reader:
    """Reads a pattern from left to right and counts its choices; 1 means that there are none."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0
        self._depth = 0

    def alternatives(self) -> int:
        total = self._sequence()
        while self._next() == "|":
            self.at += 1
            total += self._sequence()
        return total

    def _sequence(self) -> int:
        choices = 1
        while self._next() not in ("", "|", ")"):
            choices = min(choices * self._repeated(self._atom()), 10 * _MOST_CHOICES)
        return choices

    def _repeated(self, inner: int) -> int:
        """The choices of an atom that has `inner`, with the repetition that follows it."""
        least, most = self._repetition()
        if inner == 1 or most <= 1:
            return inner * (most - least + 1)
        if least == most and inner**most <= _MOST_CHOICES:
            return inner**most
        raise PatternError(
            f"pattern {self._text!r} repeats what repeats or chooses in itself, which may take very long"
        )

    def _atom(self) -> int:
        character = self._next()
        self.at += 1
        if character == "(":
            return self._group()
        if character == "[":
            self._class()
        elif character == "\\":
            if self._next() not in _ESCAPED:
                raise PatternError(f"pattern {self._text!r}: \\{self._next()} is not taken")
            self.at += 1
        elif character in "*+?{":
            raise PatternError(f"pattern {self._text!r}: nothing to repeat at character {self.at}")
        return 1

    def _group(self) -> int:
        self._depth += 1
        if self._depth > 10:
            raise PatternError(f"pattern {self._text!r} is nested too deeply")
        if self._text.startswith("?:", self.at):
            self.at += 2
        elif self._next() == "?":
            raise PatternError(f"pattern {self._text!r}: of groups with (? only (?: is taken")
        choices = self.alternatives()
        if self._next() != ")":
            raise PatternError(f"pattern {self._text!r}: a parenthesis is not closed")
        self.at += 1
        self._depth -= 1
        return choices

    def _class(self) -> None:
        if self._next() == "^":
            self.at += 1
        if self._next() == "]":
            self.at += 1
        while self._next() not in ("", "]"):
            if self._next() == "[":
                raise PatternError(f"pattern {self._text!r}: write \\[ within brackets")
            self.at += 2 if self._next() == "\\" else 1
        if self._next() == "":
            raise PatternError(f"pattern {self._text!r}: a bracket is not closed")
        self.at += 1

    def _repetition(self) -> tuple[int, int]:
        """How often the last atom is repeated, at least and at most."""
        times = _MARKS.get(self._next())
        count = _COUNT.match(self._text, self.at)
        if count is not None:
            self.at = count.end()
            least = int(count[1])
            times = (least, least if not count[2] else int(count[3] or LONGEST_TEXT))
        elif times is None:
            return (1, 1)
        else:
            self.at += 1
        if not times[0] <= times[1] <= LONGEST_TEXT:
            raise PatternError(f"pattern {self._text!r} repeats more than {LONGEST_TEXT} times, or fewer than nothing")
        if self._next() == "?":
            self.at += 1
        elif self._next() in _MARKS:
            raise PatternError(f"pattern {self._text!r}: repeats a repetition at character {self.at + 1}")
        return times

    def _next(self) -> str:
        return self._text[self.at : self.at + 1]

"""What users see of an error, and the exit code that scripts see."""

import sys

from penstock.domain.errors import Code, PenstockError

INTERRUPTED = 130
_EXIT_CODES = {
    Code.FAILED: 1,
    Code.DENIED: 1,
    Code.INTERNAL: 1,
    Code.INVALID: 2,
    Code.NOT_FOUND: 3,
    Code.CONFLICT: 4,
    Code.UNAVAILABLE: 5,
}
_LAST_LINES = 60  # of a traceback or log
NEXT = "next"  # key in `details`: the command to type next
_NOT_SHOWN = frozenset({"faults", NEXT})  # faults stand in the message already


def exit_code(error: PenstockError) -> int:
    return _EXIT_CODES[error.code]


def report(error: PenstockError) -> None:
    """The error on stderr: one line, what came with it (a traceback, a log's end), the next command."""
    print(told(error), file=sys.stderr)


def told(error: PenstockError) -> str:
    lines = [f"error: {error.message}"]
    for name, text in error.details.items():
        if name not in _NOT_SHOWN and text.strip():
            lines += [f"{name}:", *(f"  {line}" for line in text.rstrip().splitlines()[-_LAST_LINES:])]
    if NEXT in error.details:
        lines.append(f"next: {error.details[NEXT]}")
    return "\n".join(lines)


def notice(text: str) -> None:
    """A sentence beside the result."""
    print(text, file=sys.stderr)

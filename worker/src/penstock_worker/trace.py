"""Tracebacks for the author of a script or model: without our own frames and those of the import machinery."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

_OURS = str(Path(__file__).parent) + os.sep
_MACHINERY = ("<frozen importlib", "<frozen runpy", os.path.join("importlib", "__init__.py"))
_LONGEST_MESSAGE = 2000  # characters


def user_traceback(error: BaseException) -> str:
    """The traceback of `error` and of what led to it, as text."""
    told = traceback.TracebackException(type(error), error, error.__traceback__)
    _strip(told, set())
    return "".join(told.format())


def summary(error: BaseException) -> str:
    """Type and message of `error`, without its place: `ValueError: no such column`. Of a long message, its start."""
    told = traceback.TracebackException(type(error), error, None)
    lines = [line for line in told.format_exception_only() if not line.startswith(" ")]
    text = (lines[0] if lines else type(error).__name__).strip().partition("\n\n")[0]
    prefix = "entry_module."
    text = text[len(prefix) :] if text.startswith(prefix) else text
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}..."


def place(error: BaseException, root: Path) -> str:
    """Where under `root` the error comes from, as ` (score.py, line 12)`; empty if from nowhere there."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({_relative(error.filename, root) or error.filename}, line {error.lineno})"
    return _last_place(traceback.extract_tb(error.__traceback__), root)


def place_in_stack(thread: int, root: Path) -> str:
    """Where under `root` a thread is just now, in the same words."""
    return _last_place(_stack(thread), root)


def stack_of(thread: int) -> str:
    """Where a thread is just now, as a traceback."""
    frames = [frame for frame in _stack(thread) if _visible(frame)]
    return "Traceback (of what was running):\n" + "".join(traceback.StackSummary.from_list(frames).format())


def chain(error: BaseException) -> list[BaseException]:
    """`error` and all that led to it."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        item = waiting.pop()
        if item is not None and item not in found:
            found.append(item)
            waiting += [item.__cause__, item.__context__]
    return found


def _stack(thread: int) -> traceback.StackSummary:
    frame = sys._current_frames()[thread]  # pyright: ignore[reportPrivateUsage]
    innermost_first = traceback.StackSummary.extract(traceback.walk_stack(frame))
    return traceback.StackSummary.from_list(list(reversed(innermost_first)))


def _last_place(frames: traceback.StackSummary, root: Path) -> str:
    for frame in reversed(frames):
        name = _relative(frame.filename, root)
        if name and _visible(frame):
            return f" ({name}, line {frame.lineno})"
    return ""


def _strip(told: traceback.TracebackException, seen: set[int]) -> None:
    if id(told) in seen:
        return
    seen.add(id(told))
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if _visible(frame)])
    linked = [told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())]
    for other in linked:
        if other is not None:
            _strip(other, seen)


def _visible(frame: traceback.FrameSummary) -> bool:
    name = frame.filename
    return not (name.startswith((_OURS, "<frozen importlib", "<frozen runpy")) or name.endswith(_MACHINERY))


def _relative(filename: str, root: Path) -> str:
    path, base = os.path.realpath(filename), os.path.realpath(root)
    return os.path.relpath(path, base) if path.startswith(base + os.sep) else ""

"""What run() does besides computing: files, imports, connections and processes, seen by an audit hook when asked for.

An audit hook cannot be taken away again. So it is installed the first time that somebody asks, and does nothing but
compare one number unless run() of a traced instance is on the stack of this very thread.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Callable, Optional

from penstock_worker.kinds import is_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from penstock_worker.entry import Call, Entry

    Reader = Callable[[Any], Call]

FILE, WRITTEN, IMPORT, CONNECTION, PROCESS = "file", "written file", "import", "connection", "process"

_MOST_PLACES = 100
_MOST_NAMES = 3  # of one place
_MOST_FRAMES = 200
_LONGEST_NAME = 300  # characters
_MOST_SECONDS = 120.0
_WRITING = os.O_WRONLY | os.O_RDWR
_PROCESSES = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"})
_CONNECTIONS = frozenset({"socket.connect", "sqlite3.connect"})
_OURS = str(Path(__file__).parent) + os.sep
_IMPORTING = "<frozen importlib"
_INSTALLED = tuple({sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class Happening:
    """The events of one kind at one line. `size` is that of all files that were opened there, in bytes."""

    __slots__ = ("count", "names", "runs", "size")

    def __init__(self) -> None:
        self.count = 0
        self.runs = 0
        self.size = 0
        self.names: list[str] = []


class Trace:
    """What has been seen within so many seconds from the start."""

    def __init__(self, seconds: float) -> None:
        self.until = monotonic() + min(seconds, _MOST_SECONDS)
        self.runs = 0
        self.requests = 0
        self.dropped = 0  # events at places beyond the most that are told apart
        self.read_bytes: Optional[int] = 0  # by run(), in whatever way; None where the system does not say
        self._found: dict[Any, Happening] = {}
        self._in_run: set[Any] = set()

    def begin_run(self) -> None:
        self.runs += 1
        self._in_run.clear()

    def note(self, kind: str, place: tuple[str, int, str], name: str, size: int) -> None:
        """One event at `place`: file, line, function."""
        key = (kind, *place)
        happening = self._found.get(key)
        if happening is None:
            if len(self._found) >= _MOST_PLACES:
                self.dropped += 1
                return
            happening = self._found[key] = Happening()
        happening.count += 1
        happening.size += size
        if key not in self._in_run:
            self._in_run.add(key)
            happening.runs += 1
        if name and len(happening.names) < _MOST_NAMES and name not in happening.names:
            happening.names.append(name)

    def told(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        happenings = [
            {
                "kind": kind,
                "file": file,
                "line": line,
                "function": function,
                "names": happening.names,
                "count": happening.count,
                "runs": happening.runs,
                "bytes": happening.size,
            }
            for (kind, file, line, function), happening in self._found.items()
        ]
        return {
            "runs": self.runs,
            "requests": self.requests,
            "dropped": self.dropped,
            "read_bytes": self.read_bytes,
            "happenings": happenings,
        }


class Traced:
    """An entry that can be traced. As long as it is not, a call costs what it costs without it.

    `root` is the folder of the author's code: events are told by the innermost line in there.
    """

    def __init__(self, entry: Entry, root: Path) -> None:
        self.entry = entry
        self.trace = Trace(0.0)
        self.batch_rows = entry.batch_rows
        self.read: Reader = entry.read
        self.run: Callable[[Call], Any] = entry.run
        self.run_batch: Callable[[Sequence[Call]], Sequence[Any]] = entry.run_batch
        self._root = os.path.realpath(root) + os.sep
        self._io: Optional[int] = None

    def start(self, seconds: float) -> None:
        """Trace from now on for so many seconds; an earlier trace is forgotten."""
        _install()
        self.trace = Trace(seconds)
        if self._io is None:
            with suppress(OSError):
                self._io = os.open("/proc/thread-self/io", os.O_RDONLY)
        self.run = lambda call: self._watched(self.entry.run, call, 1)
        self.run_batch = lambda calls: self._watched(self.entry.run_batch, calls, len(calls))

    def stop(self) -> None:
        self.run, self.run_batch = self.entry.run, self.entry.run_batch

    def _watched(self, function: Callable[[Any], Any], argument: Any, requests: int) -> Any:
        if monotonic() > self.trace.until:
            self.stop()
            return function(argument)
        self.trace.begin_run()
        self.trace.requests += requests
        before = self._read_bytes()
        _watch.begin(self.trace, self._root)
        try:
            return function(argument)
        finally:
            _watch.end()
            after = self._read_bytes()
            if before is None or after is None or self.trace.read_bytes is None:
                self.trace.read_bytes = None
            else:
                # What our own look at the counter has read is in it.
                self.trace.read_bytes += max(0, after[0] - before[0] - before[1])

    def _read_bytes(self) -> Optional[tuple[int, int]]:
        """Bytes that this thread has ever read, and how many reading that took."""
        if self._io is None:
            return None
        try:
            text = os.pread(self._io, 512, 0)
            return int(text.split(None, 2)[1]), len(text)
        except (OSError, ValueError, IndexError):
            return None


class _Watch:
    """What the hook looks at: the thread whose run() is on the stack, zero for none."""

    def __init__(self) -> None:
        self.thread = 0
        self.installed = False
        self._trace = Trace(0.0)
        self._root = ""

    def begin(self, trace: Trace, root: str) -> None:
        self._trace, self._root = trace, root
        self.thread = get_ident()

    def end(self) -> None:
        self.thread = 0

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        seen = _seen(event, arguments)
        if seen is None:
            return
        kind, name, size = seen
        place, importing = _place(sys._getframe(2), self._root)  # pyright: ignore[reportPrivateUsage]
        if importing and kind in (IMPORT, FILE):
            # What an import opens and imports itself belongs to it.
            kind, name = IMPORT, ""
        self._trace.note(kind, place, name[:_LONGEST_NAME], size)


_watch = _Watch()


def _install() -> None:
    if not _watch.installed:
        _watch.installed = True
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    thread = _watch.thread
    if not thread or thread != get_ident():
        return
    _watch.thread = 0  # what happens in here is ours
    try:
        with suppress(Exception):  # what a hook raises would come out of the user's own open() or import
            _watch.note(event, arguments)
    finally:
        _watch.thread = thread


def _seen(event: str, arguments: tuple[Any, ...]) -> Optional[tuple[str, str, int]]:
    """Kind, name and size of what an audit event tells of; None if it is of no interest."""
    if event == "open":
        return _opened(arguments)
    if event == "import":
        return IMPORT, str(arguments[0]), 0
    if event in _CONNECTIONS:
        return CONNECTION, str(arguments[-1]), 0
    if event in _PROCESSES:
        return PROCESS, _command(event, arguments), 0
    return None


def _opened(arguments: tuple[Any, ...]) -> Optional[tuple[str, str, int]]:
    path, mode, flags = arguments
    if isinstance(path, int):
        return None  # a file that is open already
    name = os.fsdecode(path)
    if any(letter in mode for letter in "wax+") if isinstance(mode, str) else flags & _WRITING:
        return WRITTEN, name, 0
    try:
        return FILE, name, os.stat(name).st_size
    except OSError:
        return FILE, name, 0


def _command(event: str, arguments: tuple[Any, ...]) -> str:
    if event == "os.fork":
        return "fork"
    program: Any = arguments[0] or arguments[1]  # subprocess.Popen: the executable, if it was given, then the words
    while is_list(program) and program:
        program = program[0]
    # The program alone: its arguments may be secrets.
    return os.fsdecode(program).split(" ", 1)[0] if isinstance(program, (str, bytes)) else str(program)


@lru_cache(maxsize=1024)
def _below(root: str, file: str) -> str:
    """The path of `file` relative to `root`; empty for what is not the author's own."""
    if file.startswith(("<", *_INSTALLED)):
        return ""
    path = os.path.realpath(file)
    return os.path.relpath(path, root) if path.startswith(root) else ""


def _place(frame: Optional[FrameType], root: str) -> tuple[tuple[str, int, str], bool]:
    """The innermost line below `root`, else the innermost that is not of a library; and whether an import is on the
    way to it."""
    importing, other = False, None
    for each in _outwards(frame):
        file = each.f_code.co_filename
        if file.startswith(_IMPORTING):
            importing = True
        elif _below(root, file):
            return (_below(root, file), each.f_lineno, each.f_code.co_name), importing
        elif other is None and not importing and not file.startswith((*_INSTALLED, "<")):
            other = (file, each.f_lineno, each.f_code.co_name)
    return other or ("", 0, ""), importing


def _outwards(frame: Optional[FrameType]) -> Iterator[FrameType]:
    """From `frame` to the one that the worker called."""
    for _ in range(_MOST_FRAMES):
        if frame is None or frame.f_code.co_filename == __file__:
            return
        yield frame
        frame = frame.f_back

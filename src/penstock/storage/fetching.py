"""Copies files from other machines here: several at once, large ones in pieces, each whole or not there."""

import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from penstock import durable
from penstock.domain.errors import Code, PenstockError, conflict
from penstock.storage.anywhere import Place
from penstock.storage.persistence import patiently
from penstock.storage.uris import WEB, scheme_of
from penstock.storage.web import Web
from penstock_worker.batch_contract import File, Remote

STREAMS = 8
PIECE_BYTES = 8 * 1024 * 1024  # STREAMS of them are in memory at a time
_BEAT_SECONDS = 1.0
_MARK = ".fetching-"


@dataclass
class Fetched:
    """What became of the files, by their place in the order of the task: their sizes, or why they did not come."""

    sizes: dict[int, int] = field(default_factory=dict[int, int])
    errors: dict[int, PenstockError] = field(default_factory=dict[int, PenstockError])


@dataclass(frozen=True)
class _Piece:
    copy: "_Copy"
    start: int
    end: int  # -1: the whole file in one go, however long it is


class Fetching:
    """`open_place` opens the bucket that a URI is in, `beat` is called while it goes on."""

    def __init__(self, open_place: Callable[[str], Place], web: Web, ending: threading.Event) -> None:
        self._open_place = open_place
        self._web = web
        self._ending = ending

    def fetch(self, files: Sequence[File], remotes: Sequence[Remote], beat: Callable[[], None]) -> Fetched:
        """Have the files at their paths, on disk when this returns. Those that are there already are left.

        1. Files are cut into pieces, which STREAMS threads copy to their place in a file under another name.
        2. Once a file has all of its pieces, and is on the other machine what was listed, it gets its own name.

        What is not what it was, or gone, is among the errors. Raises `denied` and `unavailable` for the first file that
        these concern, EndedError when the process is to end, OSError where this machine's disk does not take it.
        """
        fetched, copies = Fetched(), list[_Copy]()
        folders = {Path(file.path).parent for file in files}
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_open(folder.parent):
                folder.chmod(0o755)
            _remove_remains(folder)
        with ThreadPoolExecutor(STREAMS, thread_name_prefix="fetch") as pool:
            try:
                self._run(pool, self._pieces(files, remotes, fetched, copies), fetched, beat)
            finally:
                pool.shutdown(cancel_futures=True)
                for copy in copies:
                    copy.give_up()
        for folder in folders | {folder.parent for folder in folders}:
            durable.sync_folder(folder)
        return fetched

    def _run(
        self, pool: ThreadPoolExecutor, pieces: Iterator[_Piece], fetched: Fetched, beat: Callable[[], None]
    ) -> None:
        under_way: dict[Future[None], _Piece] = {}
        while True:
            for piece in islice(pieces, 2 * STREAMS - len(under_way)):
                under_way[pool.submit(self._copy, piece, fetched)] = piece
            if not under_way:
                return
            done, _ = wait(under_way, timeout=_BEAT_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                copy = under_way.pop(future).copy
                try:
                    future.result()
                except PenstockError as err:
                    if err.code not in (Code.CONFLICT, Code.NOT_FOUND):
                        raise
                    copy.failed = True
                    fetched.errors.setdefault(copy.number, err)
                if copy.failed and all(piece.copy is not copy for piece in under_way.values()):
                    copy.give_up()
            beat()

    def _pieces(
        self, files: Sequence[File], remotes: Sequence[Remote], fetched: Fetched, copies: list["_Copy"]
    ) -> Iterator[_Piece]:
        for number, (file, remote) in enumerate(zip(files, remotes, strict=True)):
            present = _size(file.path)
            if present is not None and file.size in (present, -1):
                fetched.sizes[number] = present
                continue
            whole = scheme_of(remote.uri) in WEB
            ends = [-1] if whole else [*range(PIECE_BYTES, file.size, PIECE_BYTES), file.size]
            copy = _Copy(number, file, remote, len(ends))
            copies.append(copy)
            for at, end in enumerate(ends):
                if not copy.failed:
                    yield _Piece(copy, at * PIECE_BYTES, end)

    def _copy(self, piece: _Piece, fetched: Fetched) -> None:
        copy = piece.copy
        if copy.failed:
            return
        size = copy.file.size
        if piece.end < 0:
            size = patiently(lambda: self._download(copy), self._ending)
        elif piece.end > piece.start:
            self._read(piece)
        if copy.is_last():
            if piece.end >= 0:
                self._check(copy)
            copy.keep(size)
            fetched.sizes[copy.number] = size

    def _read(self, piece: _Piece) -> None:
        copy = piece.copy
        place = self._open_place(copy.remote.uri)
        data = patiently(lambda: place.objects.read(place.path, piece.start, piece.end), self._ending)
        if len(data) != piece.end - piece.start:
            raise conflict(f"{copy.remote.uri} has changed: it is shorter than it was when it was listed")
        copy.write(data, piece.start)

    def _download(self, copy: "_Copy") -> int:
        offset = 0

        def write(chunk: bytes) -> None:
            nonlocal offset
            copy.write(chunk, offset)
            offset += len(chunk)

        copy.clear()
        size = self._web.download(copy.remote.uri, copy.remote.version, write)
        if copy.file.size not in (-1, size):
            raise conflict(f"{copy.remote.uri} has changed: it has {size} bytes, not {copy.file.size} as when listed")
        return size

    def _check(self, copy: "_Copy") -> None:
        """All pieces are of the version that was listed: objects never go back to one that they had."""
        place = self._open_place(copy.remote.uri)
        now = patiently(lambda: place.objects.info(place.path), self._ending)
        if now.folder or now.size != copy.file.size or copy.remote.version not in ("", now.version):
            raise conflict(f"{copy.remote.uri} has changed since it was listed")


class _Copy:
    """A file that is being written under another name, until it is kept or given up. One that has `failed` gets no
    further pieces."""

    def __init__(self, number: int, file: File, remote: Remote, pieces: int) -> None:
        self.number = number
        self.file = file
        self.remote = remote
        self.failed = False
        self._over = False
        self._left = pieces
        self._lock = threading.Lock()
        self._descriptor: int | None = None  # one for all pieces, so that none goes into another file of the name
        path = Path(file.path)
        self._temporary = path.with_name(f"{_MARK}{path.name[:200]}.{os.getpid()}")

    def write(self, data: bytes, offset: int) -> None:
        descriptor = self._opened()
        view = memoryview(data)
        while view:
            count = os.pwrite(descriptor, view, offset)
            view, offset = view[count:], offset + count

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._opened(), 0)

    def is_last(self) -> bool:
        """True once, when the last piece has come."""
        with self._lock:
            self._left -= 1
            return self._left == 0

    def keep(self, size: int) -> None:
        """Give it its name. Its time is the one that it was planned with, by which workers tell that it is the same."""
        descriptor = self._opened()
        if os.fstat(descriptor).st_size != size:
            raise conflict(f"{self.remote.uri}: {size} bytes were to come")
        if self.file.modified_ns >= 0:
            os.utime(descriptor, ns=(self.file.modified_ns, self.file.modified_ns))
        if _is_open(Path(self.file.path).parent):
            os.fchmod(descriptor, 0o644)
        os.fsync(descriptor)
        os.replace(self._temporary, self.file.path)
        self._close()

    def give_up(self) -> None:
        """Remove what has come, unless it is kept. Nobody may be writing."""
        if not self._over:
            self._close()
            self._temporary.unlink(missing_ok=True)

    def _opened(self) -> int:
        with self._lock:
            if self._descriptor is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._descriptor = os.open(self._temporary, flags, 0o600)
            return self._descriptor

    def _close(self) -> None:
        with self._lock:
            self._over = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


def with_sizes(files: Sequence[File], sizes: Mapping[int, int]) -> Sequence[File]:
    """The files that were fetched, with their sizes."""
    return [replace(file, size=sizes[number]) for number, file in enumerate(files) if number in sizes]


def _is_open(folder: Path) -> bool:
    """True if all users may see what lies there, as those of containers do; a folder above keeps others out."""
    return bool(folder.stat().st_mode & stat.S_IXOTH)


def _remove_remains(folder: Path) -> None:
    """Of an earlier process that was killed."""
    with os.scandir(folder) as entries:
        remains = [entry.path for entry in entries if entry.name.startswith(_MARK)]
    for path in remains:
        os.unlink(path)


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None

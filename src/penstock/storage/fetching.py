"""Copies files from other machines here: many small ones at once, large ones in pieces, each whole or not there."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import islice

from penstock.domain.errors import Code, PenstockError, conflict
from penstock.storage.anywhere import Place
from penstock.storage.copies import Copy, make_folders
from penstock.storage.objects import read_all
from penstock.storage.persistence import patiently
from penstock.storage.uris import WEB, scheme_of
from penstock.storage.web import Download, Web
from penstock_worker.batch_contract import File, Remote

STREAMS = 8
PIECE_BYTES = 8 * 1024 * 1024  # STREAMS of them are in memory at a time
_SMALL_BYTES = 256 * 1024  # files up to that are asked for together
_MOST_SMALL = 32
_BEAT_SECONDS = 1.0
_OF_THE_FILE = (Code.CONFLICT, Code.NOT_FOUND)  # other errors are of the place, and end the fetch


@dataclass
class Fetched:
    """What became of the files, by their place in the order of the task: their sizes, or why they did not come."""

    sizes: dict[int, int] = field(default_factory=dict[int, int])
    errors: dict[int, PenstockError] = field(default_factory=dict[int, PenstockError])


@dataclass(frozen=True)
class _Piece:
    """A range of one file, or all of some small ones."""

    copies: Sequence[Copy]
    start: int = 0
    end: int = -1  # -1: all, however long that is


class Fetching:
    """`open_place` opens the bucket that a URI is in, `beat` is called while it goes on."""

    def __init__(self, open_place: Callable[[str], Place], web: Web, ending: threading.Event) -> None:
        self._open_place = open_place
        self._web = web
        self._ending = ending

    def fetch(self, files: Sequence[File], remotes: Sequence[Remote], beat: Callable[[], None]) -> Fetched:
        """Have the files at their paths, their content on disk. Those that are there already are left.

        1. Files are cut into pieces, which STREAMS threads copy to their place in a file under another name. A piece
           may be several small files: then as many requests are under way.
        2. Once a file has all of its pieces, and is on the other machine what was listed, it gets its own name.

        What is not what it was, or gone, is among the errors. Raises `denied` and `unavailable` for the first file that
        these concern, EndedError when the process is to end, OSError where this machine's disk does not take it.
        """
        fetched, copies = Fetched(), list[Copy]()
        make_folders(files)
        with ThreadPoolExecutor(STREAMS, thread_name_prefix="fetch") as pool:
            try:
                self._run(pool, self._pieces(files, remotes, fetched, copies), fetched, beat)
            finally:
                pool.shutdown(cancel_futures=True)
                for copy in copies:
                    copy.give_up()
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
                piece = under_way.pop(future)
                future.result()
                for copy in piece.copies:
                    if copy.failed and all(copy not in piece.copies for piece in under_way.values()):
                        copy.give_up()
            beat()

    def _pieces(
        self, files: Sequence[File], remotes: Sequence[Remote], fetched: Fetched, copies: list[Copy]
    ) -> Iterator[_Piece]:
        small: list[Copy] = []
        for number, (file, remote) in enumerate(zip(files, remotes, strict=True)):
            present = _size(file.path)
            if present is not None and file.size in (present, -1):
                fetched.sizes[number] = present
                continue
            if scheme_of(remote.uri) not in WEB and file.size <= _SMALL_BYTES:
                copies.append(Copy(number, file, remote, 1))
                small.append(copies[-1])
                if len(small) == _MOST_SMALL:
                    yield _Piece(small)
                    small = []
                continue
            ends = [-1] if scheme_of(remote.uri) in WEB else [*range(PIECE_BYTES, file.size, PIECE_BYTES), file.size]
            copies.append(Copy(number, file, remote, len(ends)))
            yield from _unless_failed(copies[-1], ends)
        if small:
            yield _Piece(small)

    def _copy(self, piece: _Piece, fetched: Fetched) -> None:
        first = piece.copies[0]
        if scheme_of(first.remote.uri) in WEB:
            self._try(first, fetched, lambda: self._download(first))
        elif piece.end < 0:
            for copy, found in zip(piece.copies, self._small(piece.copies), strict=True):
                self._try(copy, fetched, _written(copy, found))
        elif not first.failed:
            self._try(first, fetched, lambda: self._range(first, piece.start, piece.end))

    def _try(self, copy: Copy, fetched: Fetched, come: Callable[[], int | None]) -> None:
        """Have a piece come, and keep the file if it is whole then: `come` tells the size."""
        try:
            size = come()
            if size is not None:
                copy.keep(size)
                fetched.sizes[copy.number] = size
        except PenstockError as err:
            if err.code not in _OF_THE_FILE:
                raise
            copy.failed = True
            fetched.errors.setdefault(copy.number, err)

    def _small(self, copies: Sequence[Copy]) -> Sequence[bytes | PenstockError]:
        """The contents, or what is wrong with each file. Those that do not come are asked for again."""
        found: dict[Copy, bytes | PenstockError] = {}
        places = {copy: self._open_place(copy.remote.uri) for copy in copies}

        def ask() -> None:
            left = [copy for copy in copies if copy not in found]
            wanted = [(places[copy].objects, places[copy].path, copy.remote.version) for copy in left]
            for copy, told in zip(left, read_all(wanted), strict=True):
                if isinstance(told, bytes) or told.code in _OF_THE_FILE:
                    found[copy] = told
                else:
                    failures.append(told)
            if failures:
                raise failures.pop()

        failures: list[PenstockError] = []
        patiently(ask, self._ending)
        return [found[copy] for copy in copies]

    def _range(self, copy: Copy, start: int, end: int) -> int | None:
        place, version = self._open_place(copy.remote.uri), copy.remote.version
        data = patiently(lambda: place.objects.read(place.path, start, end, version), self._ending)
        if len(data) != end - start:
            raise conflict(f"{copy.remote.uri} has changed: it is shorter than it was when it was listed")
        copy.write(data, start)
        if not copy.is_last():
            return None
        if not place.objects.checks_versions:
            self._check(copy, place)
        return copy.file.size

    def _check(self, copy: Copy, place: Place) -> None:
        """All pieces are of the version that was listed: objects never go back to one that they had."""
        now = patiently(lambda: place.objects.info(place.path), self._ending)
        if now.folder or now.size != copy.file.size or copy.remote.version not in ("", now.version):
            raise conflict(f"{copy.remote.uri} has changed since it was listed")

    def _download(self, copy: Copy) -> int:
        """From a web server, as often as it breaks off, from where it broke off: it may do so for as long as something
        comes each time."""
        download = Download(copy.remote.uri, copy.remote.version, copy.write, copy.clear)
        while True:
            before = download.offset
            try:
                size = patiently(lambda: self._web.download(download), self._ending)
                break
            except PenstockError as err:
                if err.code is not Code.UNAVAILABLE or download.offset <= before:
                    raise
        if copy.file.size not in (-1, size):
            raise conflict(f"{copy.remote.uri} has changed: it has {size} bytes, not {copy.file.size} as when listed")
        return size


def with_sizes(files: Sequence[File], sizes: Mapping[int, int]) -> Sequence[File]:
    """The files that were fetched, with their sizes."""
    return [replace(file, size=sizes[number]) for number, file in enumerate(files) if number in sizes]


def _unless_failed(copy: Copy, ends: Sequence[int]) -> Iterator[_Piece]:
    for at, end in enumerate(ends):
        if not copy.failed:
            yield _Piece([copy], at * PIECE_BYTES, end)


def _written(copy: Copy, found: bytes | PenstockError) -> Callable[[], int]:
    def write() -> int:
        if isinstance(found, PenstockError):
            raise found if found.code is Code.NOT_FOUND else conflict(f"{copy.remote.uri} has changed: {found.message}")
        copy.write(found, 0)
        if len(found) != copy.file.size:
            raise conflict(f"{copy.remote.uri} has changed: it has not the size any more that was listed")
        return len(found)

    return write


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None

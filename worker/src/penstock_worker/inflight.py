"""What the instances of a deployment work on, in a file that they share, so that a request that ends the process is
recognised: when the gateway sends it to another instance, and when it is sent again.

The gateway gives each request an id that callers cannot choose, and sends the same bytes again when an instance dies.
Before a request is worked on, its id and a checksum of its body are noted; after the answer the note is taken away. A
note that outlives its process therefore tells of a death:

1. The same id comes again: one death. The request runs alone, so that it does not take others along.
2. A new process finds notes of ended ones when it starts: one death for each body among them.
3. A body of two deaths, with no answer in between, is refused for ten minutes.

The file holds no secret and may hold anything: who writes nonsense into it only makes its own deployment forget.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from contextlib import contextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING
from zlib import crc32

from penstock_worker import contract
from penstock_worker.logs import log
from penstock_worker.messages import Request, Response, message_response

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_FORGET_SECONDS = 600
_DEADLY = 2  # deaths

# gateway.lua knows the place, size and beginning of a slot too.
_HEAD_BYTES = 4096
_SLOT_BYTES = 64
_SLOTS = 4096
_PROBES = 8
_SIZE = _HEAD_BYTES + _SLOTS * _SLOT_BYTES

_SLOT = struct.Struct("<40sIIII")  # id, pid, how often it was begun, checksum and length of the body
_LENGTH_BITS = 0xFFFFFFFF
_MAGIC = b"penstock inflight 1\n"
_COUNT = 32  # where in the head the number of suspects is: one byte
_SUSPECT = struct.Struct("<IIId")  # checksum, length, deaths, until when
_SUSPECTS_AT = 64
_MOST_SUSPECTS = 128  # 64 + 128 * 20 bytes are less than the head
_LOCKS_AT = 1 << 40  # beyond the file's end: one byte for each pid, locked while the process lives

_ID = contract.INTERNAL_ID_HEADER.encode("ascii")
_CALLERS_ID = b"x-request-id"  # made by the gateway where there is no other
_LONGEST_ID = 40
_FAILED = b"x-ms-run-function-failed: True\r\n"


class Verdict(Enum):
    RUN = "run"
    ALONE = "alone"  # not in a batch with others: it may be what ended an instance
    REFUSE = "refuse"


def poison_response() -> Response:
    message = (
        "This request has ended two instances that worked on it and is not run again. "
        "See the log of the deployment, and change the input or the code."
    )
    return message_response(500, message, _FAILED)


class Inflight:
    """To be made by the process that answers the requests, and used by one thread.

    `path` None: nothing is noted. `making` tells two makings of the deployment apart: what ended another one is not
    held against this one.
    """

    def __init__(self, path: Path | None, making: str = "") -> None:
        self._map: mmap.mmap | None = None
        self._mine: dict[bytes, int] = {}  # slots, by the ids of the requests that are being worked on
        self._salt = crc32(making.encode())
        self._pid = os.getpid()
        if path is None:
            return
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _LOCKS_AT + self._pid)
            shared = self._mapped()
            self._learn(shared)
            self._map = shared
        except (OSError, ValueError) as error:
            log.warning("requests that end the process cannot be recognised: %s: %s", path, error)

    def admit(self, request: Request) -> Verdict:
        """Note that `request` is begun, unless it is refused. Call `done` once it is answered."""
        shared = self._map
        if shared is None:
            return Verdict.RUN
        headers = request.headers
        name = headers.get(_ID) or headers.get(_CALLERS_ID)
        if name is None or len(name) > _LONGEST_ID:
            return Verdict.RUN
        at, begun = self._slot(shared, name)
        body = request.body
        checksum = crc32(body, self._salt)
        deaths = begun + (self._deaths(shared, checksum, len(body)) if shared[_COUNT] else 0)
        if deaths >= _DEADLY:
            if begun:
                shared[at] = 0
                self._suspect(shared, {(checksum, len(body)): begun})
            return Verdict.REFUSE
        if at:
            self._mine[name] = at
            _SLOT.pack_into(shared, at, name, self._pid, begun + 1, checksum, len(body) & _LENGTH_BITS)
        return Verdict.ALONE if deaths else Verdict.RUN

    def done(self, request: Request) -> None:
        """The process has survived `request`, if it was let in."""
        shared = self._map
        if shared is None:
            return
        headers = request.headers
        name = headers.get(_ID) or headers.get(_CALLERS_ID)
        at = 0 if name is None else self._mine.pop(name, 0)
        if not at:
            return  # it was refused
        shared[at] = 0
        if shared[_COUNT]:
            self._acquit(shared, crc32(request.body, self._salt), len(request.body))

    def _slot(self, shared: mmap.mmap, name: bytes) -> tuple[int, int]:
        """The slot that holds `name`, or a free one, and how often the request was begun; (0, 0): there is no room."""
        first, free, size = crc32(name), 0, len(name)
        for probe in range(_PROBES):
            at = _HEAD_BYTES + (first + probe) % _SLOTS * _SLOT_BYTES
            if not shared[at]:
                free = free or at
                if not probe:
                    break  # the usual case; a note lies further on only if the slot was taken at that time
            elif shared[at : at + size] == name:
                return at, _SLOT.unpack_from(shared, at)[2]
        return free, 0

    def _mapped(self) -> mmap.mmap:
        with self._locked():
            # Never made shorter, and all of it on the disk: whoever writes where there is nothing is ended by a signal.
            os.posix_fallocate(self._file, 0, _SIZE)
            if os.pread(self._file, len(_MAGIC), 0) != _MAGIC:
                os.pwrite(self._file, _MAGIC + bytes(_SIZE - len(_MAGIC)), 0)
            return mmap.mmap(self._file, _SIZE)

    def _learn(self, shared: mmap.mmap) -> None:
        """Count the deaths that the notes of ended processes tell of: one for each body, however many had it."""
        found: dict[tuple[int, int], int] = {}
        ended: dict[int, bool] = {}
        for at in range(_HEAD_BYTES, _SIZE, _SLOT_BYTES):
            if not shared[at]:
                continue
            _, pid, begun, checksum, length = _SLOT.unpack_from(shared, at)
            if pid not in ended:
                ended[pid] = self._has_ended(pid)
            if ended[pid]:
                shared[at] = 0
                found[checksum, length] = max(found.get((checksum, length), 0), min(begun, _DEADLY))
        if found:
            log.warning("an instance has died while it worked on %d requests", len(found))
            self._suspect(shared, found)

    def _has_ended(self, pid: int) -> bool:
        if pid == self._pid:
            return True  # a namesake's: we have begun nothing yet
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _LOCKS_AT + pid)
        except OSError:
            return False
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _LOCKS_AT + pid)
        return True

    def _deaths(self, shared: mmap.mmap, checksum: int, length: int) -> int:
        now = time.time()
        return sum(
            deaths
            for known, size, deaths, until in _suspects(shared)
            if (known, size) == (checksum, length & _LENGTH_BITS) and now < until
        )

    def _suspect(self, shared: mmap.mmap, deaths: dict[tuple[int, int], int]) -> None:
        with self._locked():
            now = time.time()
            known = {(c, size): (n, until) for c, size, n, until in _suspects(shared) if now < until}
            for (checksum, length), count in deaths.items():
                before = known.pop((checksum, length & _LENGTH_BITS), (0, 0.0))[0]
                known[checksum, length & _LENGTH_BITS] = before + count, now + _FORGET_SECONDS
            _write_suspects(shared, [(c, size, n, until) for (c, size), (n, until) in known.items()])

    def _acquit(self, shared: mmap.mmap, checksum: int, length: int) -> None:
        """Whatever ended an instance that had this body too, it was not this body."""
        now = time.time()
        known = _suspects(shared)
        left = [s for s in known if now < s[3] and s[:2] != (checksum, length & _LENGTH_BITS)]
        if len(left) != len(known):
            with self._locked():
                _write_suspects(shared, left)

    @contextmanager
    def _locked(self) -> Generator[None]:
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _LOCKS_AT)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _LOCKS_AT)


def _suspects(shared: mmap.mmap) -> list[tuple[int, int, int, float]]:
    count = min(shared[_COUNT], _MOST_SUSPECTS)
    return [_SUSPECT.unpack_from(shared, _SUSPECTS_AT + n * _SUSPECT.size) for n in range(count)]


def _write_suspects(shared: mmap.mmap, suspects: list[tuple[int, int, int, float]]) -> None:
    """Those that are remembered longest stay if there are too many."""
    kept = suspects[-_MOST_SUSPECTS:]
    for n, suspect in enumerate(kept):
        _SUSPECT.pack_into(shared, _SUSPECTS_AT + n * _SUSPECT.size, *suspect)
    with suppress(ValueError):
        shared[_COUNT] = len(kept)

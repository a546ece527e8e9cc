"""Bytes from file to file without a detour through this process where the kernel can do that."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

_STEP_BYTES = 16 * 1024 * 1024  # at a time: even a slow disk takes no second for it
_READ_BYTES = 1024 * 1024
_CANNOT = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.ETXTBSY)


def copy(source: int, begin: int, length: int, target: int, beat: Callable[[], None]) -> None:
    """Append `length` bytes of the file `source`, from `begin` on, at the place where the file `target` is.

    `source` and `target` are descriptors. Raises OSError: EIO where the source is shorter than that.
    """
    ways = [_by_range, _by_sendfile, _by_hand]
    end = begin + length
    while begin < end:
        try:
            count = ways[0](source, begin, min(_STEP_BYTES, end - begin), target)
        except OSError as error:
            if error.errno not in _CANNOT or len(ways) == 1:
                raise
            count = 0
        if count == 0:
            # Not every file system says that it cannot do this: some claim to be at the end.
            if len(ways) == 1:
                raise OSError(errno.EIO, "the file is shorter than it was")
            del ways[0]
        begin += count
        beat()


def write_all(target: int, data: bytes) -> None:
    """Append all of `data` to the file `target`, a descriptor. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(target, left) :]


def _by_range(source: int, begin: int, length: int, target: int) -> int:
    if not hasattr(os, "copy_file_range"):
        return 0
    return os.copy_file_range(source, target, length, begin)


def _by_sendfile(source: int, begin: int, length: int, target: int) -> int:
    return os.sendfile(target, source, begin, length)


def _by_hand(source: int, begin: int, length: int, target: int) -> int:
    data = os.pread(source, min(length, _READ_BYTES), begin)
    write_all(target, data)
    return len(data)

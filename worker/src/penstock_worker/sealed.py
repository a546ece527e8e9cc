"""Makes the environment that the process runs from read-only for the process, also where it runs as root.

The environment's files have no write permission, which root does not mind; and they are shared, through hard links,
with other environments. So the kernel is asked to show them read-only: in a mount namespace of the process's own.
"""

from __future__ import annotations

import os
import sys

from penstock_worker.logs import log

# linux/sched.h and linux/mount.h
_CLONE_NEWNS = 0x00020000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _SLAVE = 1, 32, 4096, 16384, 1 << 19
_KEPT = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC  # the same bits for mount(2); dropping them may be forbidden


def seal_environment() -> None:
    """Before any code of the user's is imported, and before threads start, which would keep the namespace they have.

    Does nothing for other users than root, outside virtual environments and on other systems than Linux. Where it is
    not permitted, as in most containers, that is logged.
    """
    if sys.platform != "linux" or os.geteuid() != 0 or sys.prefix == sys.base_prefix:
        return
    try:
        _mount_read_only(os.path.realpath(sys.prefix))
    except (ImportError, OSError) as error:
        log.info("the environment stays writable, as this is root and mounts are not permitted: %s", error)


def _mount_read_only(folder: str) -> None:
    import ctypes  # missing where Python was built without libffi

    libc = ctypes.CDLL(None, use_errno=True)

    def call(function: str, *arguments: object) -> None:
        if getattr(libc, function)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)

    def mount(source: bytes | None, target: bytes, flags: int) -> None:
        call("mount", source, target, None, ctypes.c_ulong(flags), None)

    path = os.fsencode(folder)
    call("unshare", _CLONE_NEWNS)
    # Nothing of ours reaches the host, while what the host mounts and unmounts later is seen here too.
    mount(None, b"/", _RECURSIVE | _SLAVE)
    mount(path, path, _BIND)
    mount(None, path, _REMOUNT | _BIND | _READ_ONLY | (os.statvfs(path).f_flag & _KEPT))

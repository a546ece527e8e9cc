"""The last task of a job: the final files, out of the parts that its mini-batches came to.

Parts are copied by the kernel, joined without decoding them, or linked; none is changed or deleted here. See
publication.py for what happens when this is killed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from penstock_worker.batch.failing import is_full
from penstock_worker.batch.final_files import columns_path, make
from penstock_worker.batch.manifest import Manifest
from penstock_worker.batch.publication import OutputExistsError, Publication
from penstock_worker.batch_contract import NO_SPACE, OUTPUT_EXISTS, Order, Result, Task

_BEAT_SECONDS = 0.25
_LOCK_SECONDS = 60.0


def finish(folder: Path, task: Task, order: Order, beat: Callable[[], None]) -> Result:
    """Have the final files of the job that `folder` is of on disk. `beat` is called several times a second.

    May be repeated, after whatever end: the files are the same then. Raises OSError and ValueError for parts that are
    not there or not what they should be. Whatever fails leaves nothing in the output folder.
    """
    began = time.monotonic()
    beat = _seldom(beat)
    manifest = Manifest(Path(task.manifest), folder / "parts", beat)
    try:
        with _alone(folder / "finish.lock"):
            _publish(folder, manifest, order, beat)
    except OutputExistsError as error:
        return Result(task.id, task.attempt, "", OUTPUT_EXISTS, str(error))
    except OSError as error:
        if not is_full(error):
            raise
        message = f"there is no room for the output in {order.output_folder}: {error}"
        return Result(task.id, task.attempt, "", NO_SPACE, message)
    return Result(
        task.id,
        task.attempt,
        "",
        rows_out=manifest.rows,
        rows_rejected=manifest.rejects,
        seconds={"write": time.monotonic() - began},
    )


def _publish(folder: Path, manifest: Manifest, order: Order, beat: Callable[[], None]) -> None:
    publication = _publication(folder, manifest, order, beat)
    try:
        if not publication.complete():
            publication.begin()
            make(publication, manifest, order, folder, beat)
            publication.publish()
        publication.settle()
    except (OSError, ValueError, OutputExistsError):
        publication.withdraw()
        raise


def _publication(folder: Path, manifest: Manifest, order: Order, beat: Callable[[], None]) -> Publication:
    made_of = _made_of(folder, manifest, order)
    return Publication(folder, order.job, Path(order.output_folder), made_of, beat)


def _made_of(folder: Path, manifest: Manifest, order: Order) -> str:
    """A fingerprint of all that the final files depend on."""
    parts = (order.output_action, order.output_format, order.output_mode, order.output_file_name, order.output_folder)
    digest = hashlib.sha256("\0".join((manifest.fingerprint, *parts)).encode("utf-8", "surrogatepass"))
    columns = columns_path(folder)
    digest.update(columns.read_bytes() if columns.exists() else b"")
    return digest.hexdigest()


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """A worker that was given up on may be at it still. The kernel forgets the lock of one that has died.

    Does not beat: who waits here gets nothing done.
    """
    with open(path, "ab") as file:
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise OSError(errno.EAGAIN, "another worker makes the files of this job", str(path)) from None
            time.sleep(0.05)
        yield


def _seldom(beat: Callable[[], None]) -> Callable[[], None]:
    """For loops that turn a hundred thousand times a second."""
    last = 0.0

    def sometimes() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _BEAT_SECONDS:
            last = now
            beat()

    return sometimes

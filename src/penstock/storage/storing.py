"""Copies the files of a folder to another machine, so that each is there whole, and nobody else's is replaced."""

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from penstock import durable
from penstock.domain.errors import Code, PenstockError, conflict, unavailable
from penstock.storage.anywhere import Place
from penstock.storage.objects import Info
from penstock.storage.persistence import patiently
from penstock.storage.uris import joined
from penstock_worker.batch_contract import stored_mark

STREAMS = 4  # uploads at a time, each with two parts of 8 MiB in memory
_NAMED = 3  # files in a message
_LOOKED_UP = 32  # files that are asked for one by one; the destination may hold many others
_BEAT_SECONDS = 1.0


class Storing:
    """In the job's `folder` are marks that say which stores have begun: what is at their destination is theirs."""

    def __init__(self, folder: Path, ending: threading.Event) -> None:
        self._folder = folder
        self._ending = ending

    def store(self, task: str, folder: Path, place: Place, beat: Callable[[], None]) -> int:
        """Have all files of `folder` below `place`; how many bytes. It may be repeated at any point.

        1. The destination must have no file of these names: else `conflict`. Then a mark says that it is ours.
        2. What is not there yet in its full size is uploaded.

        Raises EndedError when the process is to end.
        """
        files = _files(folder)
        mark = stored_mark(self._folder, task)
        present = patiently(lambda: _present(place, files), self._ending)
        if not mark.exists():
            taken = [name for name in files if name in present]
            if taken:
                more = f" and {len(taken) - _NAMED} more" if len(taken) > _NAMED else ""
                raise conflict(
                    f"{place.uri(place.path)} holds {', '.join(taken[:_NAMED])}{more} already: give another output "
                    "path, or remove what is there"
                )
            mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.replace(mark, json.dumps(list(files)).encode())
            durable.sync_folder(mark.parent)
        missing = [name for name, size in files.items() if present.get(name) != size]
        self._upload(missing, files, folder, place, beat)
        return sum(files.values())

    def withdraw(self, task: str, place: Place, beat: Callable[[], None]) -> int:
        """Remove what the store of that task has put below `place`; how many files. It may be repeated.

        Raises EndedError when the process is to end.
        """
        mark = stored_mark(self._folder, task)
        names: list[str] = json.loads(mark.read_bytes() or b"[]") if mark.exists() else []
        for name in names:
            path = joined(place.path, name)
            patiently(lambda path=path: place.objects.remove(path), self._ending)
            beat()
        mark.unlink(missing_ok=True)
        return len(names)

    def _upload(
        self, names: Sequence[str], sizes: Mapping[str, int], folder: Path, place: Place, beat: Callable[[], None]
    ) -> None:
        def put(name: str) -> None:
            def once() -> None:
                path = joined(place.path, name)
                place.objects.put(str(folder / name), path, sizes[name])
                if place.objects.info(path).size != sizes[name]:
                    raise unavailable(f"{place.uri(path)} has not arrived whole")

            patiently(once, self._ending)

        with ThreadPoolExecutor(STREAMS, thread_name_prefix="store") as pool:
            try:
                left = {pool.submit(put, name) for name in names}
                while left:
                    done, left = wait(left, timeout=_BEAT_SECONDS, return_when=FIRST_EXCEPTION)
                    for future in done:
                        future.result()
                    beat()
            finally:
                pool.shutdown(cancel_futures=True)


def _files(folder: Path) -> Mapping[str, int]:
    """Sizes by the path below the folder."""
    found: dict[str, int] = {}
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            found[os.path.relpath(path, folder)] = os.stat(path).st_size
    return dict(sorted(found.items()))


def _present(place: Place, files: Mapping[str, int]) -> Mapping[str, int]:
    """Sizes of what the destination has of these names."""
    if len(files) > _LOOKED_UP:
        below = {info.path.removeprefix(place.path).lstrip("/"): info for info in place.objects.below(place.path)}
    else:
        below = {name: info for name in files if (info := _found(place, name)) is not None}
    return {name: below[name].size for name in files if name in below and not below[name].folder}


def _found(place: Place, name: str) -> Info | None:
    try:
        return place.objects.info(joined(place.path, name))
    except PenstockError as err:
        if err.code is Code.NOT_FOUND:
            return None
        raise

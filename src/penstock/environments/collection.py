"""Environments that nobody uses any more, what their removal frees, and what is left of those long gone."""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock.environments.base import Unused
from penstock.environments.place import Place, is_fingerprint
from penstock.environments.seal import remove
from penstock.environments.turn import turn

_JUST_USED = timedelta(minutes=10)  # time for a process to start in, with what it was handed
_KEPT = timedelta(days=365)  # logs and locks of environments that are gone
_STALE = timedelta(days=1)  # files that a killed writer left

_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own


def unused(root: Path, keep: Collection[str], unused_for: timedelta, now: datetime) -> Sequence[Unused]:
    """What was last used before then, the longest unused first. Half of an environment counts as used when made."""
    before = now - max(unused_for, _JUST_USED)
    found = [used for place in _places(root) if place.fingerprint not in keep and (used := _seen(place))]
    return sorted((used for used in found if used.last_used_at < before), key=lambda used: used.last_used_at)


def collect(root: Path, keep: Collection[str], unused_for: timedelta, now: datetime) -> Sequence[Unused]:
    """Remove what is `unused`, unless somebody builds it or is handed it at this moment."""
    before = now - max(unused_for, _JUST_USED)
    gone: list[Unused] = []
    for candidate in unused(root, keep, unused_for, now):
        place = Place(root, candidate.fingerprint)
        with turn(place.turn, wait=False) as mine:
            # Looked at again, now that nobody else can have it.
            seen = _seen(place) if mine else None
            if seen is not None and seen.last_used_at < before:
                remove(place.folder, place.marker)
                place.failure.unlink(missing_ok=True)
                _begin_to_age((place.log, place.lock), now)
                gone.append(seen)
    return gone


def sweep(root: Path, wheel: Path, now: datetime) -> None:
    """Remove records of environments long gone, what killed writers left, and worker wheels other than `wheel`."""
    for fingerprint, newest in _records(root).items():
        place = Place(root, fingerprint)
        if newest < now - _KEPT and not place.folder.exists():
            with turn(place.turn, wait=False) as mine:
                for file in (place.log, place.lock, place.failure, place.turn) if mine else ():
                    file.unlink(missing_ok=True)
    for file in root.glob(".*.*"):
        if _changed_at(file) < now - _STALE:
            file.unlink(missing_ok=True)
    for folder in wheel.parent.parent.iterdir():
        if folder != wheel.parent and _changed_at(folder) < now - _STALE:
            shutil.rmtree(folder, ignore_errors=True)


def _begin_to_age(records: Sequence[Path], now: datetime) -> None:
    """What stays of a removed environment is kept for a while from now on, however old it is."""
    for file in records:
        with suppress(FileNotFoundError):
            os.utime(file, (now.timestamp(), now.timestamp()))


def _places(root: Path) -> Iterator[Place]:
    for folder in root.iterdir():
        if is_fingerprint(folder.name) and folder.is_dir():
            yield Place(root, folder.name)


def _seen(place: Place) -> Unused | None:
    """The environment as it is; None if it goes meanwhile."""
    try:
        used_at = _changed_at(place.marker if place.marker.exists() else place.folder)
        return Unused(fingerprint=place.fingerprint, bytes=own_bytes(place.folder), last_used_at=used_at)
    except FileNotFoundError:
        return None


def own_bytes(folder: Path) -> int:
    """Bytes on the disk that nothing outside `folder` shares: of a file with several names, if all are in it."""
    sizes: dict[tuple[int, int], tuple[int, int]] = {}  # file: its bytes, and names that are outside
    for parent, _, names in os.walk(folder):
        for name in names:
            facts = os.lstat(os.path.join(parent, name))
            file = (facts.st_dev, facts.st_ino)
            outside = sizes[file][1] if file in sizes else facts.st_nlink
            sizes[file] = (facts.st_blocks * _BLOCK_BYTES, outside - 1)
    return sum(size for size, outside in sizes.values() if outside == 0)


def _records(root: Path) -> Mapping[str, datetime]:
    """The fingerprints that have files beside their folder, and when the last of these changed."""
    found: dict[str, datetime] = {}
    for file in root.iterdir():
        if is_fingerprint(file.stem) and file.suffix:
            with suppress(FileNotFoundError):
                found[file.stem] = max(_changed_at(file), found.get(file.stem, datetime.min.replace(tzinfo=UTC)))
    return found


def _changed_at(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)

"""Buckets and containers, through fsspec: imported when the first of them is opened."""

import hashlib
import json
import logging
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from penstock.domain.errors import Code, PenstockError, invalid
from penstock.storage.connections import Connection, extra_of
from penstock.storage.failures import failure

_PART_BYTES = 8 * 1024 * 1024  # of an upload
_MOST_PARTS = 9000  # S3 takes 10,000
_MOST_OPEN = 32

# Drivers hold connections, and what they hold is not given back before the process ends: each is opened once, for all
# threads (fsspec's own cache opens one for each).
_opening = threading.Lock()
_open: dict[str, Any] = {}


@dataclass(frozen=True)
class Info:
    """An object: `path` is the driver's word for it; a folder has neither size nor version."""

    path: str
    size: int
    version: str
    folder: bool = False


class Objects:
    """One bucket or container. Paths are `BUCKET/KEY`. Calls may come from any thread; all raise what
    `failures.failure` makes of the driver's errors."""

    def __init__(self, connection: Connection) -> None:
        self._protocol = connection.protocol
        with _opening:
            self._fs = _file_system(connection)

    def info(self, path: str) -> Info:
        with self._translated(path):
            return _info(self._fs.info(path, refresh=True))

    def below(self, path: str) -> Iterator[Info]:
        """All objects whose keys begin with `path/`; nothing if there are none."""
        with self._translated(path):
            found: Mapping[str, Any] = self._fs.find(path, detail=True)
        for each in found.values():
            yield _info(each)

    def read(self, path: str, start: int, end: int) -> bytes:
        """The bytes from `start` until before `end`."""
        with self._translated(path):
            return cast(bytes, self._fs.cat_file(path, start=start, end=end))

    def put(self, local: str, path: str, size: int) -> None:
        """Upload a file, in parts if it is large; it appears whole."""
        part = max(_PART_BYTES, -(-size // _MOST_PARTS))
        options: dict[str, Any] = {
            "s3": {"chunksize": part, "max_concurrency": 2},
            "abfs": {"max_concurrency": 2},
            "gs": {"chunksize": part - part % 2**18},  # a multiple of 256 KiB is asked for there
        }[self._protocol]
        with self._translated(path):
            self._fs.put_file(local, path, **options)

    def remove(self, path: str) -> None:
        """Fine if it is not there."""
        try:
            with self._translated(path):
                self._fs.rm_file(path)
        except PenstockError as err:
            if err.code is not Code.NOT_FOUND:
                raise

    @contextmanager
    def _translated(self, path: str) -> Generator[None]:
        try:
            yield
        except Exception as err:  # drivers raise what their services' libraries do, which have no base in common
            raise failure(err, f"{self._protocol}://{path}") from err


def _file_system(connection: Connection) -> Any:
    words = json.dumps([connection.protocol, connection.options], sort_keys=True, default=str)
    key = hashlib.sha256(words.encode()).hexdigest()
    if key not in _open:
        while len(_open) >= _MOST_OPEN:
            del _open[next(iter(_open))]
        _open[key] = _opened(connection)
    return _open[key]


def _opened(connection: Connection) -> Any:
    scheme, extra = connection.protocol, extra_of(connection.protocol)
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
    try:
        fsspec: Any = import_module("fsspec")
        return fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False, **connection.options)
    except ImportError as err:
        raise invalid(f"{scheme}:// needs a driver that is not installed: `pip install 'penstock[{extra}]'`") from err
    except Exception as err:
        raise failure(err, f"{scheme}://{connection.root}") from err


def _info(told: Mapping[str, Any]) -> Info:
    folder = told.get("type") == "directory"
    return Info(
        path=str(told["name"]),
        size=0 if folder else int(told.get("size") or 0),
        version="" if folder else _version(told),
        folder=folder,
    )


def _version(told: Mapping[str, Any]) -> str:
    if told.get("generation"):
        return f"generation:{told['generation']}"
    etag = told.get("ETag") or told.get("etag")
    if etag:
        return f"etag:{str(etag).strip(chr(34))}"
    return f"modified:{told.get('LastModified') or told.get('last_modified') or told.get('mtime')}"

"""Buckets and containers, through fsspec: imported when the first of them is opened."""

import asyncio
import hashlib
import json
import logging
import threading
from collections.abc import Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar, cast

from penstock.domain.errors import Code, PenstockError, conflict, invalid
from penstock.storage.connections import Connection, extra_of
from penstock.storage.failures import failure

T = TypeVar("T")

_PART_BYTES = 8 * 1024 * 1024  # of an upload
_MOST_PARTS = 9000  # S3 takes 10,000
_MOST_OPEN = 32
_TUNED: Mapping[str, Mapping[str, Any]] = {"s3": {"config_kwargs": {"max_pool_connections": 64}}}  # 10 at first

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
            self.driver = _file_system(connection)

    def info(self, path: str) -> Info:
        with self._translated(path):
            return _info(self.driver.info(path, refresh=True))

    def below(self, path: str) -> Iterator[Info]:
        """All objects whose keys begin with `path/`; nothing if there are none."""
        with self._translated(path):
            found: Mapping[str, Any] = self.driver.find(path, detail=True)
        for each in found.values():
            yield _info(each)

    @property
    def checks_versions(self) -> bool:
        """True if `read` raises `conflict` for another version than the one that is asked for."""
        return self._protocol == "s3"

    def read(self, path: str, start: int, end: int, version: str) -> bytes:
        """The bytes from `start` until before `end`."""
        with self._translated(path):
            if self.checks_versions:
                return _waited(self.driver, self._of_version(path, version, Range=f"bytes={start}-{end - 1}"))
            return cast(bytes, self.driver.cat_file(path, start=start, end=end))

    async def whole(self, path: str, version: str) -> bytes:
        """An object of the version that it had when it was listed. Raises `conflict` if it has another one now."""
        with self._translated(path):
            if self.checks_versions:
                return await self._of_version(path, version)
            content: bytes = await self.driver._cat_file(path)
            now = _info(await self.driver._info(path, refresh=True))
        if version not in ("", now.version) or now.size != len(content):
            raise conflict("it is not what it was when it was listed")
        return content

    async def _of_version(self, path: str, version: str, **more: str) -> bytes:
        """Of S3, which looks at the version itself, with one request."""
        bucket, _, key = path.partition("/")
        kind, _, tag = version.partition(":")
        if kind == "etag":
            more["IfMatch"] = f'"{tag}"'
        answer = await self.driver._call_s3("get_object", Bucket=bucket, Key=key, **more)
        try:
            return cast(bytes, await answer["Body"].read())
        finally:
            answer["Body"].close()

    def put(self, local: str, path: str, size: int) -> None:
        """Upload a file, in parts if it is large; it appears whole."""
        part = max(_PART_BYTES, -(-size // _MOST_PARTS))
        options: dict[str, Any] = {
            "s3": {"chunksize": part, "max_concurrency": 2},
            "abfs": {"max_concurrency": 2},
            "gs": {"chunksize": part - part % 2**18},  # a multiple of 256 KiB is asked for there
        }[self._protocol]
        with self._translated(path):
            self.driver.put_file(local, path, **options)

    def remove(self, path: str) -> None:
        """Fine if it is not there."""
        try:
            with self._translated(path):
                self.driver.rm_file(path)
        except PenstockError as err:
            if err.code is not Code.NOT_FOUND:
                raise

    @contextmanager
    def _translated(self, path: str) -> Generator[None]:
        try:
            yield
        except Exception as err:  # drivers raise what their services' libraries do, which have no base in common
            raise failure(err, f"{self._protocol}://{path}") from err


def read_all(wanted: Sequence[tuple[Objects, str, str]]) -> Sequence[bytes | PenstockError]:
    """Whole objects by bucket, path and version, all asked for at once: what is there, or what is wrong with each."""

    async def ask() -> list[bytes | BaseException]:
        return await asyncio.gather(*(o.whole(path, version) for o, path, version in wanted), return_exceptions=True)

    found: list[bytes | PenstockError] = []
    for each in _waited(wanted[0][0].driver, ask()):
        if isinstance(each, BaseException) and not isinstance(each, PenstockError):
            raise each
        found.append(each)
    return found


def _waited(driver: Any, asked: Coroutine[Any, Any, T]) -> T:
    """What comes of it on the loop that all drivers share."""
    return asyncio.run_coroutine_threadsafe(asked, driver.loop).result()


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
        if scheme == "gs":  # its other class asks each bucket's kind by gRPC, for a minute where an endpoint has none
            scheme_class: Any = import_module("gcsfs.core").GCSFileSystem
        else:
            scheme_class = fsspec.get_filesystem_class(scheme)
        options = {**_TUNED.get(scheme, {}), **connection.options}
        return scheme_class(skip_instance_cache=True, use_listings_cache=False, **options)
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

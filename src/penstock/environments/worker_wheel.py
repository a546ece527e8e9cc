"""The worker's own package as a wheel, made from what is installed, so that environments need no registry for it."""

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from penstock import durable
from penstock.domain.errors import Code, PenstockError

_DISTRIBUTION, _PACKAGE = "penstock-worker", "penstock_worker"
_MADE_AT = (1980, 1, 1, 0, 0, 0)  # the earliest that zip files know; the same bytes whenever they are made
_WHEEL = "Wheel-Version: 1.0\nGenerator: penstock\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True)
class WorkerWheel:
    """A wheel's file name and content."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def worker_wheel() -> WorkerWheel:
    """The wheel of the installed worker. Raises `internal` if the worker is not installed."""
    spec = find_spec(_PACKAGE)
    try:
        metadata = distribution(_DISTRIBUTION)
    except PackageNotFoundError:
        metadata = None
    if spec is None or not spec.submodule_search_locations or metadata is None:
        raise PenstockError(Code.INTERNAL, f"{_DISTRIBUTION} is not installed beside penstock: install penstock again")
    files = _files(Path(spec.submodule_search_locations[0]))
    text = metadata.read_text("METADATA") or ""
    return pack_wheel(metadata.version, files, text)


def worker_needs() -> tuple[Requirement, ...]:
    """The packages that the worker needs, with markers that say where. Each has a module of its own name."""
    return tuple(Requirement(text) for text in requires(_DISTRIBUTION) or ())


def pack_wheel(version: str, files: dict[str, bytes], metadata: str) -> WorkerWheel:
    """A pure wheel of `files` (by path in the wheel) with the METADATA given; equal input gives equal bytes."""
    info = f"{_PACKAGE}-{version}.dist-info"
    content = {**dict(sorted(files.items())), f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": _WHEEL.encode()}
    return WorkerWheel(f"{_PACKAGE}-{version}-py3-none-any.whl", archived(info, content))


def archived(info: str, files: dict[str, bytes]) -> bytes:
    """A wheel's bytes: `files` in their order, then the record of them in the folder `info`."""
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in files.items()]
    content = {**files, f"{info}/RECORD": "\n".join([*record, f"{info}/RECORD,,", ""]).encode()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in content.items():
            member = zipfile.ZipInfo(path, _MADE_AT)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            archive.writestr(member, data)
    return buffer.getvalue()


def store_wheel(wheel: WorkerWheel, folder: Path) -> Path:
    """The file with `wheel` below `folder`, in a folder named by its digest; written if it is not there."""
    file = folder / wheel.sha256[:16] / wheel.name
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.replace(file, wheel.content)
    return file


def _files(package: Path) -> dict[str, bytes]:
    return {
        f"{_PACKAGE}/{file.relative_to(package).as_posix()}": file.read_bytes()
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def _digest(data: bytes) -> str:
    """SHA-256 as RECORD files write it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

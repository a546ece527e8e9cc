"""Wheels made again from what is installed on this machine, so that building an image needs no package index."""

from importlib.metadata import Distribution, PackageNotFoundError, distribution

from penstock.domain.errors import Code, PenstockError
from penstock.environments.worker_wheel import archived

_ADDED = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json")  # by installers


def installed_wheel(name: str) -> tuple[str, bytes]:
    """File name and content of a wheel of the distribution `name`, for the Python and the machine it is installed on.

    Raises `internal` if it is not installed, or not with a record of its files.
    """
    try:
        files = _files(distribution(name))
    except PackageNotFoundError:
        files = {}
    info = next((path.partition("/")[0] for path in files if path.endswith(".dist-info/WHEEL")), None)
    if info is None:
        raise PenstockError(Code.INTERNAL, f"{name} is not installed beside penstock: install penstock again")
    tag = compressed_tag(files[f"{info}/WHEEL"].decode())
    return f"{info.removesuffix('.dist-info')}-{tag}.whl", archived(info, files)


def compressed_tag(wheel: str) -> str:
    """The tag of a file name from the text of a WHEEL file: `cp311-cp311-manylinux1_x86_64.manylinux_2_5_x86_64`."""
    tags = [line.partition(":")[2].strip().split("-") for line in wheel.splitlines() if line.startswith("Tag:")]
    return "-".join(".".join(sorted(set(part))) for part in zip(*tags, strict=True))


def _files(found: Distribution) -> dict[str, bytes]:
    """What the wheel had: not what an installer or Python has added, and no scripts, which lie elsewhere."""
    files: dict[str, bytes] = {}
    for path in sorted(found.files or (), key=str):
        added = path.suffix == ".pyc" or (path.parent.suffix == ".dist-info" and path.name in _ADDED)
        if not added and ".." not in path.parts:
            files[path.as_posix()] = path.read_binary()
    return files

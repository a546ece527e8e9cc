"""The environment that uv runs in: what it needs of the platform's, and nothing that would lead it elsewhere."""

from collections.abc import Mapping
from pathlib import Path

from penstock_worker.contract import OWNER

_PASSED = frozenset(
    {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NETRC"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSH_AUTH_SOCK"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"}
    | {"CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "PKG_CONFIG_PATH"}
)
# These choose another interpreter, another place to install to, or another project than the arguments say.
_HELD_BACK = frozenset(
    {"UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "UV_TARGET", "UV_PROJECT", "UV_WORKING_DIR"}
)


def uv_environ(environ: Mapping[str, str], owner: str, folder: Path) -> dict[str, str]:
    """Proxies, certificates, compilers and uv's own settings (indexes, caches) out of `environ`.

    Adds `owner`'s mark, by which stray processes are found. Where uv's cache and `folder` lie on different disks,
    files are copied instead of hard-linked.
    """
    passed = {
        name: value
        for name, value in environ.items()
        if name.upper() in _PASSED or (name.startswith("UV_") and name not in _HELD_BACK)
    }
    fixed = {OWNER: owner, "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    link = {} if _one_disk(_cache(environ), folder) else {"UV_LINK_MODE": "copy"}
    return {**link, **passed, **fixed}


def _cache(environ: Mapping[str, str]) -> Path:
    if environ.get("UV_CACHE_DIR"):
        return Path(environ["UV_CACHE_DIR"])
    home = Path(environ.get("HOME") or "/")
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "uv"


def _one_disk(one: Path, other: Path) -> bool:
    return _existing(one).stat().st_dev == _existing(other).stat().st_dev


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    return next(candidate for candidate in (path.absolute(), *path.absolute().parents) if candidate.exists())

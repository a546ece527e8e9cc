"""What builds get of this machine while they run, and images do not keep: package indexes, proxies, certificates.

Podman mounts files for the time of a build. Docker cannot, so it gets the proxies alone.
"""

import configparser
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from penstock.containers.strays import MOUNTED

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")
_BUNDLE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_SECTIONS = ("global", "install")
_ADDRESSES = ("index-url", "extra-index-url", "find-links")
_PLAIN = ("trusted-host", "timeout", "retries")
# Not where images have theirs: installing ca-certificates replaces that file, and a mounted one cannot be replaced.
_CERTIFICATES = "/run/penstock/certificates.crt"


def build_settings(tool: str, environ: Mapping[str, str], folder: Path) -> list[str]:
    """Arguments of `build`; `folder` holds the files that they name for as long as the build takes."""
    if tool == "docker":
        # Without values, which stay out of the arguments: docker takes them from its own environment.
        given = [name for name in environ if name.upper() in _PROXIES and environ[name]]
        return [word for name in given for word in ("--build-arg", name)]
    bundle = certificates(environ)
    mounts = [(bundle, _CERTIFICATES)] if bundle else []
    text = pip_config(_config_texts(environ), environ, _CERTIFICATES if bundle else None)
    mounts.append((_written(folder / "pip.conf", text), MOUNTED))
    if bundle:
        apt = f'Acquire::https::CAInfo "{_CERTIFICATES}";\n'
        mounts.append((_written(folder / "apt.conf", apt), "/etc/apt/apt.conf.d/99penstock-build"))
    return [word for source, target in mounts for word in ("--volume", f"{source}:{target}:ro")]


def pip_config(texts: Iterable[str], environ: Mapping[str, str], certificates: str | None) -> str:
    """A pip.conf with the indexes of `texts` (pip.conf files, later ones win) and of PIP_* variables, which win.

    Addresses that only this machine can open, files and folders, are left out.
    """
    values: dict[str, str] = {}
    for text in texts:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(text)
        except configparser.Error:
            continue  # pip says so to whoever uses it
        for section in _SECTIONS:
            values |= dict(parser.items(section)) if parser.has_section(section) else {}
    for name in (*_ADDRESSES, *_PLAIN):
        values[name] = environ.get(f"PIP_{name.replace('-', '_').upper()}") or values.get(name, "")
    lines = {name: " ".join(_remote(values[name])) for name in _ADDRESSES}
    lines |= {name: " ".join(values[name].split()) for name in _PLAIN}
    lines |= {"cert": certificates or "", "disable-pip-version-check": "true"}
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items() if value)


def certificates(environ: Mapping[str, str]) -> Path | None:
    """This machine's bundle of certificate authorities, a proxy's among them."""
    named = [environ[name] for name in _BUNDLE_VARIABLES if environ.get(name)]
    return next((Path(name).resolve() for name in (*named, *_BUNDLES) if Path(name).is_file()), None)


def _remote(addresses: str) -> list[str]:
    return [word for word in addresses.split() if word.startswith(("http://", "https://"))]


def _config_texts(environ: Mapping[str, str]) -> list[str]:
    home = Path(environ.get("HOME") or "/")
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]
    if environ.get("PIP_CONFIG_FILE"):
        files.append(Path(environ["PIP_CONFIG_FILE"]))
    return [file.read_text(errors="replace") for file in files if file.is_file() and os.access(file, os.R_OK)]


def _written(file: Path, text: str) -> Path:
    """The file, which all may read: builds also run as others than root, and the folder above is its owner's."""
    file.write_text(text)
    file.chmod(0o644)
    return file

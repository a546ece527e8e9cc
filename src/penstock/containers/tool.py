"""The program that runs containers on this machine: podman, else docker, and how it must be called here."""

import json
import os
import re
import resource
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from penstock.commands import Answer, Log, Surroundings, TimeLimitError, ask, run
from penstock.containers.facts import (
    PROGRAMS,
    Cgroups,
    Facts,
    Host,
    can_limit,
    facts_of,
    fault_of,
    limits_for,
    network_for,
    runtime_for,
)
from penstock.domain.errors import invalid, unavailable

_TOOLS = ("podman", "docker")
_KIND = re.compile(r"(podman|docker) version", re.IGNORECASE)
_QUICK = timedelta(seconds=30)
_PASSED = frozenset(
    {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK"}
)
_PASSED_PREFIXES = ("XDG_", "DOCKER_", "CONTAINER_", "CONTAINERS_", "STORAGE_")
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # often not on a user's PATH
_HELPER_FOLDERS = ("/usr/libexec/podman", "/usr/lib/podman", "/usr/local/libexec/podman", "/usr/local/lib/podman")
_CGROUPS = Path("/sys/fs/cgroup")
_TUNNELS = Path("/dev/net/tun")
_UNLIMITED = 1 << 30
_INSTALL = (
    "install podman (Debian, Ubuntu: apt install podman; Fedora, RHEL: dnf install podman; "
    "openSUSE: zypper install podman) or start docker's daemon"
)


@dataclass(frozen=True, kw_only=True)
class Tool:
    """Podman or docker, as it works on this machine."""

    name: str  # podman or docker
    binary: Path
    version: str
    rootless: bool
    network: str  # for `run --network`: bridge, slirp4netns, pasta, host, or what the setting says
    init: bool  # `run --init` works
    can_limit: bool = True  # memory and CPU limits are kept
    options: tuple[str, ...] = ()  # before every subcommand, e.g. `--runtime runc`
    limits: tuple[str, ...] = ()  # for `run`: `--ulimit nofile=20000:20000`
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def argv(self, *arguments: str) -> list[str]:
        """The whole command line of one of its subcommands."""
        return [str(self.binary), *self.options, *arguments]

    def ask(self, *arguments: str, limit: timedelta = _QUICK) -> Answer:
        """Run a subcommand for its answer. Raises `unavailable` if it takes longer than `limit`, and is killed."""
        try:
            return ask(self.argv(*arguments), self._surroundings(limit))
        except TimeLimitError:
            raise self._late(arguments, limit) from None

    def run(self, *arguments: str, log: Log, limit: timedelta) -> int:
        """Run a subcommand that says to `log` what it does. Raises `unavailable` as `ask` does."""
        try:
            return run(self.argv(*arguments), log, self._surroundings(limit))
        except TimeLimitError:
            raise self._late(arguments, limit) from None

    def _surroundings(self, limit: timedelta) -> Surroundings:
        return Surroundings(environ=self.environ, folder=Path("/"), limit=limit)

    def _late(self, arguments: Sequence[str], limit: timedelta) -> Exception:
        return unavailable(f"`{self.name} {arguments[0]}` did not end within {limit}: look at `{self.name} info`")


def find_tool(environ: Mapping[str, str], wanted: str | None = None, network: str | None = None) -> Tool:
    """The tool to use: `wanted` (a name or path), else podman, else docker. Takes some tenths of a second.

    `environ` is the platform's environment, of which the tool gets what it needs; `network` wins over what is found
    out. Raises `unavailable` if none is there that works, saying what was found and how to install one.
    """
    passed = _passed(environ)
    host = _host(passed["PATH"])
    faults: list[str] = []
    for name in (wanted,) if wanted else _TOOLS:
        program = shutil.which(name, path=passed["PATH"])
        if program is None:
            faults.append(f"{name} is not there")
            continue
        binary = Path(program).absolute()
        found = _facts(binary, passed, host)
        if isinstance(found, Facts):
            return _tool(binary, found, passed, network)
        faults.append(found)
    what = f"PENSTOCK_CONTAINER_TOOL={wanted}: " if wanted else "containers cannot run on this machine: "
    raise unavailable(f"{what}{'; '.join(faults)}; {_INSTALL}")


def _tool(binary: Path, facts: Facts, environ: Mapping[str, str], network: str | None) -> Tool:
    runtime = runtime_for(facts)
    return Tool(
        name=facts.tool,
        binary=binary,
        version=facts.version,
        rootless=facts.rootless,
        network=network or network_for(facts),
        init=facts.init,
        can_limit=can_limit(facts),
        options=("--runtime", runtime) if runtime else (),
        limits=limits_for(facts),
        environ=environ,
    )


def _facts(binary: Path, environ: Mapping[str, str], host: Host) -> Facts | str:
    """What the program says of itself, or why it cannot be used."""
    surroundings = Surroundings(environ=environ, folder=Path("/"), limit=_QUICK)
    try:
        # By its own word: on some systems `docker` is podman.
        kind = _KIND.match(ask([str(binary), "--version"], surroundings).output)
        if kind is None:
            raise invalid(f"{binary} is neither podman nor docker")
        tool = kind[1].lower()
        answer = ask([str(binary), "info", "--format", "{{json .}}"], surroundings)
    except TimeLimitError:
        return f"{binary} does not answer"
    try:
        facts = facts_of(tool, json.loads(answer.output), host)
    except ValueError:
        return f"{binary} does not work ({_last_line(answer.errors)})"
    if not facts.version:
        return f"{binary} has no engine ({_last_line(answer.errors)})"
    fault = fault_of(facts)
    return f"{binary}: {fault}" if fault else facts


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it ended without a word")[:300]


def _host(path: str) -> Host:
    programs = [name for name in PROGRAMS if shutil.which(name, path=path)]
    helpers = [name for name in PROGRAMS for folder in _HELPER_FOLDERS if os.access(f"{folder}/{name}", os.X_OK)]
    return Host(
        cgroups=_cgroups(),
        programs=frozenset((*programs, *helpers)),
        tunnels=os.access(_TUNNELS, os.R_OK | os.W_OK),
        open_files=_hard(resource.RLIMIT_NOFILE),
        processes=_hard(resource.RLIMIT_NPROC),
    )


def _cgroups() -> Cgroups:
    if (_CGROUPS / "cgroup.controllers").exists():
        return Cgroups.V2
    return Cgroups.HYBRID if (_CGROUPS / "unified" / "cgroup.controllers").exists() else Cgroups.V1


def _hard(limit: int) -> int:
    hard = resource.getrlimit(limit)[1]
    return _UNLIMITED if hard == resource.RLIM_INFINITY else hard


def _passed(environ: Mapping[str, str]) -> dict[str, str]:
    """Of `environ`: where programs, storage, credentials and certificates are, and proxies; with a PATH."""
    passed = {
        name: value for name, value in environ.items() if name.upper() in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    folders = [folder for folder in passed.get("PATH", os.defpath).split(os.pathsep) if folder]
    passed["PATH"] = os.pathsep.join(dict.fromkeys((*folders, *_SYSTEM_FOLDERS)))
    return passed

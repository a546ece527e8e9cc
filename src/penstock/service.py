"""Penstock as a service of systemd: its unit files and the environment that they read. Pure.

`penstock.service` stands for the whole platform: stopping it, as at a shutdown of the machine, ends everything once
requests are answered. The control planes are services of their own, which may be restarted or crash while gateway and
instances, in the same control group, go on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.domain.errors import invalid
from penstock.settings import Settings

PLATFORM, CONTROL, STANDBY = "penstock.service", "penstock-control.service", "penstock-standby.service"
ALL = (PLATFORM, CONTROL, STANDBY)

_FOR_SHELLS_ONLY = frozenset({"PENSTOCK_URL", "PENSTOCK_TOKEN", "PENSTOCK_SHARE_TOKEN"})
_FOR_FLAGS = frozenset({"PENSTOCK_HOME", "PENSTOCK_STANDBY", "PENSTOCK_KEEP_SERVING"})
_KEPT = re.compile(
    r"(PENSTOCK|UV|AWS|AZURE|GOOGLE|MLFLOW|PG|SSL)_?\w*|(HTTPS?|ALL|NO)_PROXY|PATH|LANG|LC_ALL|TZ|TMPDIR|"
    r"LD_LIBRARY_PATH|REQUESTS_CA_BUNDLE|CUDA_VISIBLE_DEVICES|CC|CXX",
    re.IGNORECASE,
)
_MORE_SECONDS = 30  # than the drain time, before systemd loses patience


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is to run: the `penstock` command, as which user (None: the one whose systemd it is)."""

    command: str
    true: str  # path of the program that does nothing
    user: str | None = None


def units(settings: Settings, program: Program, *, standby: bool) -> Mapping[str, str]:
    """Unit files by name. Raises `invalid` for paths that they cannot name."""
    control_planes = [CONTROL, *([STANDBY] if standby else [])]
    found = {PLATFORM: _platform(settings, program, " ".join(control_planes))}
    for name in control_planes:
        found[name] = _control_plane(settings, program, standby=name == STANDBY)
    return found


def environment(settings: Settings) -> str:
    """The file that the units read: the variables that matter to the platform, some of which are secrets.

    Raises `invalid` for values of several lines.
    """
    kept = {
        name: value
        for name, value in sorted(settings.environ.items())
        if _KEPT.fullmatch(name) and name not in _FOR_SHELLS_ONLY | _FOR_FLAGS
    }
    kept["PENSTOCK_HOME"] = str(settings.home)
    lines = ["# Written by `penstock install-service`: the settings of the service. Read at its start."]
    for name, value in kept.items():
        if "\n" in value:
            raise invalid(f"{name} has several lines, which a service's settings cannot have: unset it first")
        escaped = re.sub(r'(["\\`$])', r"\\\1", value)
        lines.append(f'{name}="{escaped}"')
    return "\n".join(lines) + "\n"


def environment_file(settings: Settings) -> str:
    return str(settings.home / "service.env")


def _platform(settings: Settings, program: Program, control_planes: str) -> str:
    return _unit(
        {
            "Description": "Penstock, model serving",
            # Stopped before what it is after, so that the control planes are asked to end in good order.
            "Wants": control_planes,
            "After": control_planes,
        },
        {
            "Type": "oneshot",
            "RemainAfterExit": "yes",
            **_common(settings, program),
            "ExecStart": program.true,
            "ExecStop": f"{_word(program.command)} down",
        },
        {"WantedBy": "multi-user.target" if program.user is not None else "default.target"},
    )


def _control_plane(settings: Settings, program: Program, *, standby: bool) -> str:
    what = "standby of its control plane" if standby else "control plane"
    in_system = program.user is not None
    return _unit(
        {
            "Description": f"Penstock, {what}",
            **({"Wants": "network-online.target", "After": "network-online.target"} if in_system else {}),
            "StartLimitIntervalSec": "0",
        },
        {
            "Type": "exec",
            **_common(settings, program),
            "ExecStart": f"{_word(program.command)} up --keep-serving{' --standby' if standby else ''}",
            "KillMode": "process",  # gateway, instances and containers outlive a restart and a crash
            "Restart": "on-failure",  # `penstock down` is no failure
            "RestartSec": "2",
            "LimitNOFILE": "65536",  # the gateway needs two for each connection
            "LimitCORE": "0",  # what is in memory is for nobody else
            "TasksMax": "infinity",
            "Delegate": "yes",  # podman makes control groups of its own below
            # Instances set theirs so that one of them is ended first.
            **({"OOMScoreAdjust": "-500"} if in_system else {}),
        },
        {},
    )


def _common(settings: Settings, program: Program) -> dict[str, str]:
    """No NoNewPrivileges, and nothing that implies it or hides parts of the file system: podman without root maps users
    by programs that gain privileges, and mounts /proc anew."""
    return {
        **({"User": program.user} if program.user is not None else {}),
        "EnvironmentFile": _path(environment_file(settings)),
        "UMask": "0077",
        "TimeoutStopSec": str(settings.drain_seconds + _MORE_SECONDS),
    }


def _unit(unit: Mapping[str, str], service: Mapping[str, str], install: Mapping[str, str]) -> str:
    sections = {"Unit": unit, "Service": service, "Install": install}
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in entries.items())
        for name, entries in sections.items()
        if entries
    )


def _word(text: str) -> str:
    """As one word of a command line, whatever is in it."""
    escaped = _path(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'


def _path(text: str) -> str:
    if "\n" in text or text != text.strip():
        raise invalid(f"{text!r} cannot be named in a unit file: choose another path")
    return text.replace("%", "%%")

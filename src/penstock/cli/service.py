"""`penstock install-service` and `uninstall-service`: the platform as a service of systemd."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock import durable, service
from penstock.cli.command import Outcome, command, noun
from penstock.cli.errors import notice
from penstock.domain.errors import failed, invalid, unavailable
from penstock.settings import Settings, from_environment

NOUN = None  # the commands stand alone
app = noun("")

_SYSTEM_FOLDER = Path("/etc/systemd/system")
_RUNNING = Path("/run/systemd/system")  # there if systemd is what started this machine
_SECONDS = 60

_SystemFlag = Annotated[
    bool, typer.Option("--system/--user", help="Of the machine, as root, or of this user. [default: --user]")
]


@command(app, "install-service", example="penstock install-service --user --standby")
def install_service(
    system: _SystemFlag = False,
    standby: Annotated[bool, typer.Option("--standby", help="A standby too, which takes over in seconds.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Only print the unit files.")] = False,
) -> Any:
    """Have systemd run the platform: started with the machine, restarted after a crash; predictions go on."""
    settings = from_environment()
    units = service.units(settings, _program(settings, system=system), standby=standby)
    if show:
        print("\n".join(f"# {_folder(settings, system=system) / name}\n{text}" for name, text in units.items()))
        return Outcome(None)
    folder = _folder(settings, system=system)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        durable.replace(Path(service.environment_file(settings)), service.environment(settings).encode())
        for name in set(service.ALL) - set(units):
            (folder / name).unlink(missing_ok=True)
        for name, text in units.items():
            durable.replace(folder / name, text.encode())
            (folder / name).chmod(0o644)
    except OSError as err:
        raise unavailable(f"{err.filename}: {err.strerror}; --system needs root, --user does not") from err
    _enable(system=system, user=pwd.getpwuid(os.getuid()).pw_name)
    return [str(folder / name) for name in units]


@command(app, "uninstall-service", example="penstock uninstall-service --user")
def uninstall_service(system: _SystemFlag = False) -> Any:
    """Take the units away again; what runs goes on until `penstock down`."""
    settings = from_environment()
    files = [path for name in service.ALL if (path := _folder(settings, system=system) / name).exists()]
    if not files:
        notice(f"there is no service in {_folder(settings, system=system)}")
        return Outcome(None)
    if _RUNNING.exists():
        _systemctl("disable", service.PLATFORM, system=system)
    try:
        for path in files:
            path.unlink()
    except OSError as err:
        raise unavailable(f"{err.filename}: {err.strerror}; --system needs root") from err
    Path(service.environment_file(settings)).unlink(missing_ok=True)
    if _RUNNING.exists():
        _systemctl("daemon-reload", system=system)
    notice("what runs goes on; `penstock down` ends it")
    return [str(path) for path in files]


def _enable(*, system: bool, user: str) -> None:
    scope = "" if system else " --user"
    if not _RUNNING.exists():
        notice("systemd does not run here: the units are written, and nothing is enabled")
        return
    _systemctl("daemon-reload", system=system)
    _systemctl("enable", service.PLATFORM, system=system)
    notice(f"starts with the machine; now: systemctl{scope} start {service.PLATFORM}")
    if not system and not Path("/var/lib/systemd/linger", user).exists():
        notice(f"without a login it starts only after: loginctl enable-linger {user}")


def _systemctl(*words: str, system: bool) -> None:
    argv = ["systemctl", *([] if system else ["--user"]), *words]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as err:
        raise unavailable(f"`{' '.join(argv)}` does not run: {err}") from err
    if done.returncode != 0:
        raise failed(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")


def _folder(settings: Settings, *, system: bool) -> Path:
    if system:
        return _SYSTEM_FOLDER
    own = settings.environ.get("XDG_CONFIG_HOME")
    return (Path(own) if own else Path.home() / ".config") / "systemd" / "user"


def _program(settings: Settings, *, system: bool) -> service.Program:
    command = Path(sys.executable).with_name("penstock")
    true = shutil.which("true")
    if not command.exists() or true is None:
        raise invalid(f"{command} is not there: install Penstock into an environment, and run it from there")
    return service.Program(command=str(command), true=true, user=_owner(settings.home) if system else None)


def _owner(home: Path) -> str:
    """Who the platform runs as: whose the home is, or will be."""
    uid = home.stat().st_uid if home.exists() else os.getuid()
    return pwd.getpwuid(uid).pw_name

"""The units of `penstock install-service`, as systemd itself reads them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.service import CONTROL, PLATFORM, STANDBY, Program, environment, units
from penstock.settings import from_environment

PROGRAM = Program(command=str(Path(sys.executable).with_name("penstock")), true="/bin/true", user="root")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine")
@pytest.mark.parametrize("standby", [False, True])
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, standby: bool) -> None:
    settings = from_environment({"PENSTOCK_HOME": str(tmp_path / "a home with 100%")})
    made = units(settings, PROGRAM, standby=standby)
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in made)],
        env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    mine = [line for line in said.stderr.splitlines() if "penstock" in line]
    assert (said.returncode, mine) == (0, []), said.stderr


def test_a_crash_or_restart_of_a_control_plane_leaves_gateway_and_instances_and_a_stop_of_the_platform_ends_them(
    tmp_path: Path,
) -> None:
    made = units(from_environment({"PENSTOCK_HOME": str(tmp_path)}), PROGRAM, standby=True)
    for name in (CONTROL, STANDBY):
        assert {"KillMode=process", "Restart=on-failure"} <= set(made[name].splitlines())
        assert "up --keep-serving" in made[name]
    assert f'ExecStop="{PROGRAM.command}" down' in made[PLATFORM].splitlines()


def test_passwords_are_in_the_settings_of_the_service_and_not_in_its_units(tmp_path: Path) -> None:
    url = 'postgresql://u:p"$w@h/d'
    settings = from_environment(
        {"PENSTOCK_HOME": str(tmp_path), "PENSTOCK_DATABASE_URL": url, "PENSTOCK_TOKEN": "mine"}
    )
    written = environment(settings)
    assert 'PENSTOCK_DATABASE_URL="postgresql://u:p\\"\\$w@h/d"' in written.splitlines()
    assert "mine" not in written
    assert "postgresql" not in "".join(units(settings, PROGRAM, standby=True).values())

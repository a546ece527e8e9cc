"""Runs commands the way a user does, and says on the way that they are still at work."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

SILENCE = 2.0  # seconds without a word
PENSTOCK = str(Path(sys.executable).with_name("penstock"))


class CommandError(Exception):
    """A command ended with another exit code than 0."""


class Platform:
    """A Penstock in a home folder of its own, with these settings alone, driven through its command line."""

    def __init__(self, home: Path, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self._home = home
        others = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        self._environment = {**others, **settings, "PENSTOCK_HOME": str(home)}

    def __call__(self, *arguments: str, folder: Path | None = None, told: bool = True) -> Any:
        """Run `penstock ARGUMENTS` and return what it printed, which is JSON when nobody looks on."""
        if told:
            print(f"    $ penstock {' '.join(_quoted(argument) for argument in arguments)}", flush=True)
        output = run((PENSTOCK, *arguments), environment=self._environment, folder=folder)
        return json.loads(output) if output.strip() else None

    def down(self) -> None:
        """Stop everything, whatever state it is in. A session of its own keeps a second Ctrl-C away from it."""
        if not self._home.exists():
            return
        command = (PENSTOCK, "down")
        ended = subprocess.run(
            command, env=self._environment, start_new_session=True, stdout=subprocess.DEVNULL, timeout=60, check=False
        )
        if ended.returncode:
            raise CommandError(f"`penstock down` ended with exit code {ended.returncode}")


def run(command: tuple[str, ...], *, environment: dict[str, str] | None = None, folder: Path | None = None) -> str:
    """The command's output; its messages go straight to the terminal. Raises `CommandError` if it fails."""
    began = time.monotonic()
    with subprocess.Popen(
        command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=SILENCE)
                break
            except subprocess.TimeoutExpired:
                print(f"      ... {time.monotonic() - began:.0f} s", flush=True)
            except BaseException:
                process.terminate()
                raise
    if process.returncode:
        print(output, end="", flush=True)
        raise CommandError(f"`{Path(command[0]).name} {' '.join(command[1:])}` ended with code {process.returncode}")
    return output


def _quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument

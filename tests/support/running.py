"""A real platform of a test's own: a home, a control plane, HAProxy, and the command that users type."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from support import commands

ECHO = """
import json, os

def init():
    pass

def run(raw_data):
    return {"version": os.environ.get("VERSION", ""), "pid": os.getpid(), "length": len(raw_data)}
"""


class Platform:
    """`penstock` as a user has it; every command runs in a process of its own.

    With `typed` it is started as a shell starts it, else forked from one that has imported what it needs.
    """

    def __init__(self, home: Path, variables: Mapping[str, str] | None = None, *, typed: bool = False) -> None:
        self.home = home
        self._typed = typed
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PYTHON"))},
            "PENSTOCK_HOME": str(home),
            "PENSTOCK_PORT": "0",
            "PENSTOCK_GATEWAY_PORT": "0",
            **(variables or {}),
        }

    def run(self, *arguments: object, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `penstock ARGUMENTS`."""
        words = [str(argument) for argument in arguments]
        if self._typed:
            done = subprocess.run(
                [commands.PROGRAM, *words],
                env=self.environment,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )
        else:
            done = commands.run(words, self.environment, stdin)
        assert not check or done.returncode == 0, (
            f"penstock {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def begin(self, *arguments: object) -> subprocess.Popen[str]:
        """Start `penstock ARGUMENTS` and do not wait for it."""
        return subprocess.Popen(
            [commands.PROGRAM, *map(str, arguments)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: object) -> Any:
        return json.loads(self.run(*arguments, "-o", "json").stdout)

    def up(self) -> None:
        self.run("up", "--detach")

    def down(self) -> None:
        self.run("down")

    @property
    def server(self) -> dict[str, Any]:
        return json.loads((self.home / "server.json").read_text())

    @property
    def gateway_port(self) -> int:
        return int(self.server["gateway_url"].rsplit(":", 1)[1])

    def processes(self) -> list[psutil.Process]:
        """All processes that carry this platform's mark, and its control plane."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                environment = process.environ()
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
            except (psutil.Error, OSError):
                continue
            mine = environment.get("PENSTOCK_HOME") == str(self.home) and "penstock.server" in process.cmdline()
            if mine or environment.get("PENSTOCK_OWNER") == str(self.home):
                found.append(process)
        return found

    def instance_pids(self, deployment: str) -> list[int]:
        """Pids of the session leaders that serve `ENDPOINT.DEPLOYMENT`."""
        pids: list[int] = []
        for process in self.processes():
            try:
                name = process.environ().get("PENSTOCK_INSTANCE", "")
                if name.startswith(f"{deployment}.") and os.getsid(process.pid) == process.pid:
                    pids.append(process.pid)
            except (psutil.Error, OSError):
                continue
        return pids

    def kill_control_plane(self) -> None:
        pid = int(self.server["pid"])
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)

    def seen(self, path: str) -> Any:
        """What the REST API shows at `path`. For looking often: a command takes half a second of a processor."""
        sent = {"Authorization": f"Bearer {(self.home / 'token').read_text().strip()}"}
        url = f"{self.server['url']}/api/v1/{path}"
        answer = httpx.get(url, headers=sent, timeout=60, trust_env=False, verify=False)  # loads no certificates
        return answer.raise_for_status().json()

    def key(self, endpoint: str, which: str = "primaryKey") -> str:
        return self.seen(f"online-endpoints/{endpoint}/credentials")[which]

    def score(self, endpoint: str, body: str = "{}", **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.key(endpoint)}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        url = f"http://127.0.0.1:{self.gateway_port}/endpoints/{endpoint}/score"
        return httpx.post(url, content=body, headers=sent, timeout=60)


@contextmanager
def a_platform(
    home: Path,
    variables: Mapping[str, str] | None = None,
    *,
    environments: Path | None = None,
    typed: bool = False,
) -> Generator[Platform]:
    """A platform that is up, and down with nothing left at the end.

    `environments` is a folder in which several platforms have theirs, so that each is built once.
    """
    platform = Platform(home, variables, typed=typed)
    if environments is not None:
        environments.mkdir(mode=0o700, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "environments").symlink_to(environments)
    platform.up()
    try:
        yield platform
    finally:
        platform.run("down", check=False)
        assert platform.processes() == []


def wait_until(fact: Callable[[], object]) -> None:
    """Return when `fact()` is true; fails after a time that nothing takes on a machine however busy."""
    deadline = time.monotonic() + 100
    while not fact():
        assert time.monotonic() < deadline, "not so after 100 s"
        time.sleep(0.02)


def write_endpoint(folder: Path, name: str) -> Path:
    path = folder / f"{name}.yml"
    path.write_text(f"name: {name}\nauth_mode: key\n")
    return path


def write_deployment(
    folder: Path,
    endpoint: str,
    name: str,
    *,
    script: str = ECHO,
    count: int = 1,
    variables: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """A deployment of a scoring script without packages, as JSON, which is YAML too."""
    code = folder / f"code-{name}"
    code.mkdir(parents=True, exist_ok=True)
    (code / "score.py").write_text(script)
    path = folder / f"{endpoint}-{name}.yml"
    spec = {
        "name": name,
        "endpoint_name": endpoint,
        "code_configuration": {"code": f"./{code.name}", "scoring_script": "score.py"},
        "environment_variables": dict(variables or {}),
        "instance_count": count,
        **(extra or {}),
    }
    path.write_text(json.dumps(spec))
    return path

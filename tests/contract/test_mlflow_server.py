"""The supervision of MLflow, on real processes. Most of them only listen, which is all that supervision looks at."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.registry import mlflow_command
from support.running import wait_until

from penstock.domain.errors import Code, PenstockError, failed
from penstock.engines.local import LocalEngine, end_owned_processes
from penstock.registry.server import MlflowServer, ServerPhase
from penstock.registry.settings import MlflowSettings

LISTENING = f"""#!{sys.executable}
import os, shlex, socket, sys
options = shlex.split(sys.argv[sys.argv.index("--uvicorn-opts") + 1])
path = options[options.index("--uds") + 1]
print("serving with", os.environ["MLFLOW_BACKEND_STORE_URI"], flush=True)
if os.path.exists("broken"):
    sys.exit("ValueError: this one is broken")
open("database", "a").close()
if os.path.exists(path):
    os.unlink(path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
while True:
    listener.accept()[0].close()
"""


class Bench:
    """Servers of one home folder, one control plane after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owner = str(folder)
        self.running: list[MlflowServer] = []
        program = folder / "mlflow-program"
        program.write_text(LISTENING)
        program.chmod(0o700)
        self.program = program
        (folder / "logs").mkdir()

    def server(
        self, command: Callable[[], Path] | None = None, *, artifacts: str | None = None, database: str | None = None
    ) -> MlflowServer:
        """What a control plane makes when it starts."""
        settings = MlflowSettings(
            folder=self.folder / "mlflow",
            run_folder=self.folder,
            log=self.folder / "logs" / "mlflow.log",
            log_bytes=10_000,
            database_url=database,
            artifacts=artifacts,
            environ=os.environ,
        )
        server = MlflowServer(settings, LocalEngine(self.owner), command or (lambda: self.program))
        server.start()
        self.running.append(server)
        return server


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench]:
    made = Bench(tmp_path)
    yield made
    for server in made.running:
        server.stop()
    end_owned_processes(made.owner, GRACE)


GRACE = timedelta(seconds=5)


def ready(server: MlflowServer) -> bool:
    try:
        return bool(server.url())
    except PenstockError:
        return False


def refusal(server: MlflowServer) -> PenstockError:
    with pytest.raises(PenstockError) as refused:
        server.url()
    return refused.value


def failure(server: MlflowServer) -> PenstockError:
    """Why it cannot start; who asks while it is tried again is told otherwise."""
    told = [refusal(server)]

    def failed() -> bool:
        told.append(refusal(server))
        return "is starting" not in told[-1].message

    wait_until(failed)
    return told[-1]


def pid(server: MlflowServer) -> int:
    found = server.state().pid
    assert found is not None
    return found


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def test_it_starts_when_it_is_asked_for_and_not_before(bench: Bench) -> None:
    server = bench.server()
    assert server.state().phase is ServerPhase.STOPPED
    assert not (bench.folder / "logs" / "mlflow.log").exists()
    told = refusal(server)
    assert (told.code, told.details["retry_after"]) == (Code.UNAVAILABLE, "1")
    wait_until(lambda: ready(server))
    assert server.state().phase is ServerPhase.READY
    assert server.socket.stat().st_mode & 0o077 == 0


def test_one_that_is_killed_is_back_by_itself(bench: Bench) -> None:
    server = bench.server()
    wait_until(lambda: ready(server))
    before = pid(server)
    kill(before)
    wait_until(lambda: ready(server) and server.state().pid not in (None, before))


def test_the_next_control_plane_finds_the_same_one(bench: Bench) -> None:
    first = bench.server()
    wait_until(lambda: ready(first))
    first.stop()
    second = bench.server()
    wait_until(lambda: ready(second))
    assert pid(second) == pid(first)


def test_one_that_writes_elsewhere_is_not_taken_over(bench: Bench) -> None:
    first = bench.server()
    wait_until(lambda: ready(first))
    before = pid(first)
    first.stop()
    second = bench.server(artifacts="s3://elsewhere")
    wait_until(lambda: ready(second))
    assert pid(second) != before
    wait_until(lambda: first.state().pid is None)


def test_why_it_does_not_start_is_told_until_it_does(bench: Bench) -> None:
    (bench.folder / "mlflow").mkdir()
    (bench.folder / "mlflow" / "broken").touch()
    server = bench.server()
    refusal(server)
    wait_until(lambda: server.state().phase is ServerPhase.FAILED)
    told = failure(server)
    assert "ended with code 1: ValueError: this one is broken" in told.message
    assert int(told.details["retry_after"]) >= 1
    (bench.folder / "mlflow" / "broken").unlink()
    wait_until(lambda: ready(server))


def test_a_program_that_cannot_be_had_is_told(bench: Bench) -> None:
    def command() -> Path:
        raise failed("environment 0123 cannot be built: no network", {"log": "uv said so"})

    server = bench.server(command)
    told = failure(server)
    assert told.message == "the model registry (MLflow) cannot start: environment 0123 cannot be built: no network"
    assert told.details["log"] == "uv said so"


def test_no_password_reaches_log_or_message(bench: Bench) -> None:
    (bench.folder / "mlflow").mkdir()
    (bench.folder / "mlflow" / "broken").touch()
    server = bench.server(database="postgresql://me:geheim@127.0.0.1:9/db")
    told = failure(server)
    assert "geheim" not in told.message + str(told.details)
    assert "***" in told.details["log"]


def test_a_database_that_was_cut_short_is_made_anew_and_a_used_one_never(bench: Bench) -> None:
    (bench.folder / "mlflow").mkdir()
    database = bench.folder / "mlflow" / "mlflow.db"
    database.write_text("half")
    server = bench.server()
    wait_until(lambda: ready(server))
    assert not database.exists()
    database.write_text("whole")
    before = pid(server)
    kill(before)
    wait_until(lambda: ready(server) and server.state().pid not in (None, before))
    assert database.read_text() == "whole"


def test_a_large_log_is_begun_anew(bench: Bench) -> None:
    log = bench.folder / "logs" / "mlflow.log"
    log.write_text("x" * 20_000)
    server = bench.server()
    wait_until(lambda: ready(server))
    assert log.stat().st_size < 10_000
    assert log.with_name("mlflow.log.1").stat().st_size == 20_000


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("mount") is None, reason="only root can mount a small disk")
def test_a_full_disk_is_named_and_room_is_all_that_it_takes(bench: Bench) -> None:
    disk = bench.folder / "mlflow"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a small disk")
    try:
        server = bench.server(mlflow_command)
        assert f"the disk that holds {disk} is full" in failure(server).message
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        wait_until(lambda: ready(server))
    finally:
        for made in bench.running:
            made.stop()
        end_owned_processes(bench.owner, GRACE)
        subprocess.run(["umount", "-l", disk], check=True)

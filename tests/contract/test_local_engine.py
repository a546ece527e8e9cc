"""What the local engine promises beyond the port: marks, sessions, logs, and nothing left behind."""

import ast
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from support.running import wait_until

from penstock.domain.errors import PenstockError
from penstock.engines import marks
from penstock.engines.base import Process, ProcessSpec
from penstock.engines.local import LocalEngine, end_owned_processes

PATIENT = timedelta(minutes=1)
SLEEPS = "import time; time.sleep(60)"
# A parent with three children: one in its session, one in a session of its own, one that hides its marks.
PARENT = f"""
import subprocess, sys, time
sleep = [sys.executable, "-c", "{SLEEPS}"]
children = [
    subprocess.Popen(sleep),
    subprocess.Popen(sleep, start_new_session=True),
    subprocess.Popen(sleep, env={{}}, process_group=0),
]
print(*(child.pid for child in children), flush=True)
time.sleep(60)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(str(tmp_path))
    yield engine
    end_owned_processes(str(tmp_path), timedelta(0))
    engine.inspect()  # reaps


def program(folder: Path, code: str, name: str = "a") -> ProcessSpec:
    argv = (sys.executable, "-c", code)
    return ProcessSpec(name=name, argv=argv, environment={"A": "1"}, folder=folder, log=folder / f"{name}.log")


def wait_for_line(log: Path) -> str:
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
    return log.read_text()


def wait_until_ended(engine: LocalEngine) -> Process:
    wait_until(lambda: not engine.inspect()[0].running)
    return engine.inspect()[0]


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start_parent(engine: LocalEngine, folder: Path) -> tuple[Process, list[int]]:
    process = engine.start(program(folder, PARENT))
    children = [int(pid) for pid in wait_for_line(folder / "a.log").split()]
    assert len(children) == 3
    return process, children


def test_a_process_gets_its_environment_and_the_marks_and_nothing_else(engine: LocalEngine, tmp_path: Path) -> None:
    engine.start(program(tmp_path, "import os; print(sorted(os.environ.items()))"))
    wait_until_ended(engine)
    seen = dict(ast.literal_eval((tmp_path / "a.log").read_text()))
    seen.pop("LC_CTYPE", None)  # set by Python itself
    assert seen == {"A": "1", "PENSTOCK_OWNER": str(tmp_path), "PENSTOCK_INSTANCE": "a"}


def test_output_is_appended_to_a_log_that_only_its_owner_can_read(engine: LocalEngine, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("before\n")
    log.chmod(0o644)
    engine.start(program(tmp_path, "import os, sys; print(os.getcwd()); print('oh', file=sys.stderr); sys.exit(7)"))
    assert wait_until_ended(engine).exit_code == 7
    assert sorted(log.read_text().splitlines()) == sorted(["before", str(tmp_path), "oh"])
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("missing", ["folder", "log", "argv"])
def test_a_message_names_what_is_missing(engine: LocalEngine, tmp_path: Path, missing: str) -> None:
    absent = tmp_path / "absent" / "x"
    spec = ProcessSpec(
        name="a",
        argv=(str(absent),) if missing == "argv" else (sys.executable,),
        environment={},
        folder=absent if missing == "folder" else tmp_path,
        log=absent if missing == "log" else tmp_path / "log",
    )
    with pytest.raises(PenstockError, match=f"'a' cannot start: .*{absent}"):
        engine.start(spec)


def test_an_argument_that_no_process_can_have_is_a_failure_too(engine: LocalEngine, tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match="'a' cannot start"):
        engine.start(program(tmp_path, "print(1)\0"))


def test_only_the_leader_is_asked_to_end(engine: LocalEngine, tmp_path: Path) -> None:
    asks = "import signal; signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
    child = asks + "import time; print('up', flush=True); time.sleep(60)"
    leader = asks + f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    engine.start(program(tmp_path, leader))
    log = tmp_path / "a.log"
    wait_until(lambda: "up" in log.read_text())
    engine.stop("a", PATIENT)
    wait_until(lambda: "asked" in log.read_text())
    time.sleep(0.1)
    assert log.read_text().count("asked") == 1


def test_killing_reaches_children_in_other_sessions_and_without_marks(engine: LocalEngine, tmp_path: Path) -> None:
    process, children = start_parent(engine, tmp_path)
    engine.stop("a", timedelta(0))
    wait_until(lambda: not any(map(runs, [process.pid, *children])))
    # Asked and killed at once: which of the two was first is the kernel's affair.
    assert wait_until_ended(engine).exit_code in (-signal.SIGKILL, -signal.SIGTERM)


def test_a_crash_takes_the_children_with_it_and_leaves_no_zombie(engine: LocalEngine, tmp_path: Path) -> None:
    process, children = start_parent(engine, tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    wait_until_ended(engine)
    wait_until(lambda: not any(map(runs, children)))
    assert not psutil.pid_exists(process.pid)


def test_children_of_an_instance_that_died_unseen_are_ended_by_the_next_engine(
    engine: LocalEngine, tmp_path: Path
) -> None:
    process, children = start_parent(engine, tmp_path)
    os.kill(children[1], signal.SIGKILL)  # would be taken for the instance: it leads a session
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not runs(process.pid))
    assert runs(children[0])
    assert not LocalEngine(str(tmp_path)).inspect()
    wait_until(lambda: not runs(children[0]))
    os.kill(children[2], signal.SIGKILL)  # left alone: nothing says whose it is


def test_a_child_that_leads_a_session_is_not_taken_for_the_instance(engine: LocalEngine, tmp_path: Path) -> None:
    process, _ = start_parent(engine, tmp_path)
    assert [p.pid for p in LocalEngine(str(tmp_path)).inspect()] == [process.pid]
    engine.stop("a", timedelta(0))


def test_a_process_started_just_before_a_kill_minus_nine_is_found_and_stopped(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        from penstock.engines.base import ProcessSpec
        from penstock.engines.local import LocalEngine
        folder = Path({str(tmp_path)!r})
        argv = (sys.executable, "-c", {SLEEPS!r})
        spec = ProcessSpec(name="a", argv=argv, environment={{}}, folder=folder, log=folder / "a.log")
        print(LocalEngine(str(folder)).start(spec).pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    platform = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    assert platform.returncode == -signal.SIGKILL
    engine = LocalEngine(str(tmp_path))
    assert [(p.name, p.pid, p.running) for p in engine.inspect()] == [("a", int(platform.stdout), True)]
    engine.stop("a", timedelta(seconds=5))
    ended = wait_until_ended(engine)
    assert ended.exit_code is None  # it was not this process's child
    assert not runs(ended.pid)


def test_owners_do_not_see_each_other(engine: LocalEngine, tmp_path: Path) -> None:
    process = engine.start(program(tmp_path, SLEEPS))
    assert not LocalEngine(f"{tmp_path}/other").inspect()
    assert end_owned_processes(f"{tmp_path}/other", timedelta(0)) == []
    assert runs(process.pid)


def test_everything_of_an_owner_can_be_ended(engine: LocalEngine, tmp_path: Path) -> None:
    parent, children = start_parent(engine, tmp_path)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    engine.start(program(tmp_path, stubborn, name="b"))
    wait_for_line(tmp_path / "b.log")
    build = subprocess.Popen([sys.executable, "-c", SLEEPS], env={"PENSTOCK_OWNER": str(tmp_path)})
    names = end_owned_processes(str(tmp_path), timedelta(seconds=2))  # the others have that long to end
    assert names[:2] == ["a", "b"]
    assert names[2].startswith("python")
    assert build.wait(timeout=60) == -signal.SIGTERM
    assert not any(map(runs, [parent.pid, *children[:2]]))
    assert not marks.find(str(tmp_path))
    assert {p.exit_code for p in engine.inspect()} == {-signal.SIGTERM, -signal.SIGKILL}
    os.kill(children[2], signal.SIGKILL)


def test_looking_at_thirty_instances_takes_little_time(engine: LocalEngine, tmp_path: Path) -> None:
    for ordinal in range(30):
        spec = ProcessSpec(
            name=f"n{ordinal}", argv=("sleep", "60"), environment={}, folder=tmp_path, log=tmp_path / "log"
        )
        engine.start(spec)
    for looking in (engine, LocalEngine(str(tmp_path))):
        before = time.process_time()
        for _ in range(10):
            assert sum(process.running for process in looking.inspect()) == 30
        assert (time.process_time() - before) / 10 < 0.03

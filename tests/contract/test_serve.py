"""`penstock serve`: the real command, from the first line to Ctrl-C, with real processes and a real model."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from support.trained import REQUIREMENTS, python_with

SCRIPT = """
    import os
    from pathlib import Path
    from answers import ANSWER

    def init():
        global model
        model = (Path(os.environ["AZUREML_MODEL_DIR"]) / "weights").read_text()

    def run(data):
        return [ANSWER, model, os.environ["GREETING"], os.getpid()]
"""
_TRAIN = """
    import mlflow
    from sklearn.linear_model import LinearRegression
    mlflow.set_experiment("desk")
    with mlflow.start_run():
        mlflow.sklearn.log_model(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]), name="model",
            registered_model_name="line", pip_requirements=[], serialization_format="cloudpickle")
"""


class Served:
    """A running command, and what it has said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def said(self) -> str:
        return "".join(self._lines)

    @property
    def url(self) -> str:
        return self.wait_for(r"^(http://\S+)/score serves ").group(1)

    def wait_for(self, pattern: str, seconds: float = 60) -> "re.Match[str]":
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, self.said, re.MULTILINE)
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(self.said)

    def score(self, body: object = "") -> object:
        return httpx.post(f"{self.url}/score", json=body, trust_env=False, timeout=60).raise_for_status().json()

    def end(self) -> int:
        os.killpg(self.process.pid, signal.SIGINT)  # as a terminal does: all that run in it hear of Ctrl-C
        code = self.process.wait(30)
        self._reader.join(30)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            self._lines.extend(stream)


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts the command: `serve("--entry-script", "score.py", NAME=value)`, in the test's folder."""
    started: list[Served] = []

    def start(*words: str, **more: str) -> Served:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME") if name in os.environ}
        environ = {**kept, "PENSTOCK_HOME": str(tmp_path / "home"), **more}
        command = [str(Path(sys.executable).with_name("penstock")), "serve", "--port", "0", *words]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(Served(process))
        return started[-1]

    yield start
    for served in started:
        served.process.terminate()
        served.process.wait(30)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a script, a module that it imports, and a model."""
    (tmp_path / "score.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "answers.py").write_text("ANSWER = 'one'\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("heavy")
    (tmp_path / "desk.env").write_text("# the desk's\nexport GREETING='good morning'\n")
    return tmp_path


def test_an_edited_script_takes_over_when_it_is_ready_and_a_broken_one_never(serve: Serve, desk: Path) -> None:
    served = serve("--entry_script", "score.py", "--model_dir", "model", "--env-file", "desk.env", "--reload")
    assert served.score()[:3] == ["one", "heavy", "good morning"]  # type: ignore[index]
    served.wait_for(
        re.escape(f"curl -H 'Content-Type: application/json' -d '{{\"data\": [[1, 2, 3]]}}' {served.url}/score")
    )

    failed: list[Exception] = []
    done = threading.Event()

    def call() -> None:
        while not done.is_set():
            try:
                served.score()
            except Exception as err:  # noqa: BLE001 - whatever callers see is what is claimed about
                failed.append(err)

    caller = threading.Thread(target=call)
    caller.start()
    try:
        (desk / "answers.py").write_text("ANSWER = 'two, and longer'\n")
        served.wait_for("what was loaded anew serves")
        assert served.score()[0] == "two, and longer"  # type: ignore[index]
        (desk / "answers.py").write_text("ANSWER = 1 / 0\n")
        served.wait_for("cannot be loaded: what served before goes on")
        served.wait_for("ZeroDivisionError")
        served.wait_for('answers.py", line 1')
        assert served.score()[0] == "two, and longer"  # type: ignore[index]
        (desk / "answers.py").write_text("ANSWER = 'three'\n")
        served.wait_for(r"(?s)goes on.*what was loaded anew serves")
        assert served.score()[0] == "three"  # type: ignore[index]
    finally:
        done.set()
        caller.join()
    assert failed == []


def test_ctrl_c_ends_all_processes_and_so_does_the_end_of_the_command(serve: Serve, desk: Path) -> None:
    words = ("--entry-script", "score.py", "--model-dir", "model", "--env", "GREETING=hi", "--worker-count", "2")
    ends: list[Callable[[Served], object]] = [Served.end, lambda served: served.process.kill()]
    for end in ends:
        served = serve(*words)
        assert served.score()
        workers = psutil.Process(served.process.pid).children(recursive=True)
        assert len(workers) == 2
        code = end(served)
        assert code in (0, None)
        gone, alive = psutil.wait_procs(workers, timeout=30)
        assert len(gone) == 2
        assert not alive
        assert "ended by itself" not in served.said


def test_what_cannot_be_served_is_said_with_the_remedy(serve: Serve, desk: Path) -> None:
    (desk / "broken.py").write_text("def init():\n    raise KeyError('weights')\n\ndef run(data):\n    pass\n")
    broken = serve("--entry-script", "broken.py")
    assert broken.process.wait(60) == 1
    broken.wait_for(r"UserScriptInitFailed: init\(\) in broken.py raised KeyError: 'weights'")
    broken.wait_for(r'broken.py", line 2, in init')
    for words, complaint in {
        (): "give one of --entry-script and --model",
        ("--entry-script", "nothing.py"): "there is no nothing.py",
        ("--entry-script", "score.py", "--debug"): r"needs debugpy, which Python .* lacks: \S+ -m pip install debugpy",
        ("-m", "model"): "model is not an MLflow model: it has no file MLmodel",
        ("--entry-script", "score.py", "--python", "/bin/false"): "is no Python that runs",
    }.items():
        refused = serve(*words)
        assert refused.process.wait(60) == 2
        refused.wait_for(complaint)


def test_a_model_in_mlflow_is_fetched_and_served_with_other_protocols_too(serve: Serve, tmp_path: Path) -> None:
    python = str(python_with(REQUIREMENTS))
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(_TRAIN))
    store = {"MLFLOW_TRACKING_URI": f"file:{tmp_path}/runs", "MLFLOW_ALLOW_FILE_STORE": "true"}
    subprocess.run([python, str(script)], check=True, cwd=tmp_path, timeout=120, env={**os.environ, **store})
    served = serve("-m", "models:/line/1", "--python", python, **store)
    assert served.score({"input_data": [[2.0]]}) == pytest.approx([5.0])
    told = httpx.get(f"{served.url}/v2/models/line", trust_env=False, timeout=60).json()
    assert (told["name"], told["versions"], told["platform"]) == ("line", ["1"], "mlflow_sklearn")
    assert told["inputs"] == []
    assert served.end() == 0

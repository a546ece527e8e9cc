"""Penstock under test: a platform of its own, deployed and invoked by its command line, as a user does."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from cases import Case
from commands import PENSTOCK, Platform
from measured import SAMPLE_SECONDS, Measured, SideError, Usage
from side import WORKERS
from sides import ENVIRONMENT, SCRIPT, SCRIPT_FILES, Found, Stage, contents

PARTS, ONE_FILE = "penstock", "penstock-one-file"  # by where rows are written
_MODES = {PARTS: "partitioned", ONE_FILE: "one_file"}
_SECONDS_FOR_A_MILLION = 60.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1")
_SCRIPT_PACKAGES = ("pandas", "pyarrow", "scikit-learn", "numpy", "cloudpickle")


class Penstock:
    """`memory_bytes`: what all workers of a job together may have. `keep_columns`: of the input, in the output of a
    model."""

    def __init__(
        self, folder: Path, stage: Stage, *, memory_bytes: int | None = None, keep_columns: Sequence[str] | str = "all"
    ) -> None:
        self._keep_columns = keep_columns
        self._folder = folder
        self._stage = stage
        self._home = folder / "home"
        self._deployed: set[str] = set()
        self._environments: dict[tuple[int, float], Mapping[str, str]] = {}
        self._jobs = 0
        limit = {} if memory_bytes is None else {"PENSTOCK_INSTANCE_MEMORY_BYTES": str(memory_bytes)}
        self.platform = Platform(self._home, limit)
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def database(self) -> Path:
        return next(self._home.glob("*.db"))

    def up(self) -> None:
        self.platform("up", "--detach", "--port", "0", "--gateway-port", "0")

    def down(self) -> None:
        self.platform.down()

    def use(self, stage: Stage) -> None:
        """Take the data from here from now on."""
        self._stage = stage

    def measure(self, side: str, case: Case, number: int) -> tuple[Measured, Found]:
        """Invoke a job and wait until it is completed. `wall` is from before the command; see `steady` in the README.

        Raises `SideError`.
        """
        endpoint, deployment = self.deployed(side, case)
        rows = self._stage.data.rows_of(case.input)
        self._jobs += 1
        output = self._folder / "outputs" / str(self._jobs)
        usages = {"workers": Usage(), "platform": Usage()}
        before = self._cpu_of_platform()
        began = time.time()
        job = self.invoke(endpoint, deployment, case, output)
        try:
            done = self._watched(job["name"], began + 180 + _SECONDS_FOR_A_MILLION * rows / 1e6, usages)
            found = contents(self._stage, output)
        finally:
            shutil.rmtree(output, ignore_errors=True)
        platform = self._cpu_of_platform() - before
        return Measured(
            side=side,
            case=case.name,
            round=number,
            rows=rows,
            steady=_seconds(done["ended_at"]) - _seconds(done["scoring_since"]),
            wall=_seconds(done["ended_at"]) - began,
            cpu=usages["workers"].cpu + platform,
            peak=usages["workers"].peak,
            more={"job": job["name"], "platform_cpu": platform, "platform_peak": usages["platform"].peak},
        ), found

    def invoke(self, endpoint: str, deployment: str, case: Case, output: Path) -> Any:
        source = self._stage.data.input(case.input)
        kind = "uri_folder" if source.is_dir() else "uri_file"
        given = ("--input", str(source), "--input-type", kind, "--output-path", str(output))
        return self.platform(
            "batch-endpoint", "invoke", "--name", endpoint, "--deployment-name", deployment, *given, told=False
        )

    def job(self, job: str) -> Mapping[str, Any]:
        return self.platform("job", "show", "--name", job, told=False)

    def deployed(self, side: str, case: Case) -> tuple[str, str]:
        """The endpoint and the deployment, which are made at the first time."""
        endpoint = f"bench-{case.model.lower()}"
        deployment = "script" if case.form == "script" else _MODES[side].replace("_", "-")
        if endpoint not in self._deployed:
            self._create("batch-endpoint", endpoint, {"name": endpoint})
        if f"{endpoint}/{deployment}" not in self._deployed:
            what = self._script(case) if case.form == "script" else self._model(case, _MODES[side])
            described = {"name": deployment, "endpoint_name": endpoint, "type": "model", **what}
            self._create("batch-deployment", f"{endpoint}/{deployment}", described)
        return endpoint, deployment

    def _create(self, noun: str, name: str, described: Mapping[str, Any]) -> None:
        file = self._folder / f"{noun}-{name.replace('/', '-')}.yml"
        file.write_text(json.dumps(described))
        self.platform(noun, "create", "-f", str(file))
        self._deployed.add(name)

    def _model(self, case: Case, mode: str) -> Mapping[str, Any]:
        return {
            "model": {"path": str(self._stage.models / case.model), "type": "mlflow_model"},
            "settings": {"instance_count": WORKERS, "environment_variables": _ONE_THREAD},
            "output": {"format": "parquet", "keep_columns": self._keep_columns, "mode": mode},
        }

    def _script(self, case: Case) -> Mapping[str, Any]:
        conda = self._folder / "conda.yml"
        dependencies = ["python=3.11", "pip", {"pip": list(self._pinned())}]
        conda.write_text(json.dumps({"name": "bench", "dependencies": dependencies}))
        return {
            "model": {"path": str(self._stage.models / case.model)},
            "code_configuration": {"code": str(SCRIPT.parent), "scoring_script": SCRIPT.name},
            "environment": {"conda_file": str(conda)},
            "settings": {
                "instance_count": WORKERS,
                "mini_batch_size": SCRIPT_FILES,
                "environment_variables": _ONE_THREAD,
                "retry_settings": {"timeout": 120},
            },
        }

    def _pinned(self) -> list[str]:
        """The packages of the script, as the limit has them."""
        python = self._stage.python(ENVIRONMENT)
        wanted = (
            "from importlib.metadata import version; import sys; print(*(f'{p}=={version(p)}' for p in sys.argv[1:]))"
        )
        found = subprocess.run((python, "-c", wanted, *_SCRIPT_PACKAGES), capture_output=True, text=True, check=True)
        return found.stdout.split()

    def _watched(self, job: str, until: float, usages: Mapping[str, Usage]) -> Mapping[str, Any]:
        """The job once it is completed. Looked at while `job stream` waits for it. Raises `SideError`."""
        streaming = self._stream(job)
        try:
            while streaming.poll() is None:
                if time.time() > until:
                    found = self.job(job)
                    raise SideError(f"job {job} did not end: {found['status']}, {found['progress']}")
                usages["workers"].look(self._workers(job))
                usages["platform"].look(self._control())
                with contextlib.suppress(subprocess.TimeoutExpired):
                    streaming.wait(timeout=SAMPLE_SECONDS)
        finally:
            streaming.terminate()
            streaming.wait()
        found = self.job(job)
        if found["status"] != "Completed":
            raise SideError(f"job {job} is {found['status']}: {found['message']} {found.get('failure') or ''}")
        return found

    def _stream(self, job: str) -> "subprocess.Popen[bytes]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        environment["PENSTOCK_HOME"] = str(self._home)
        command = (PENSTOCK, "job", "stream", "--name", job)
        log = (self._folder / "stream.log").open("wb")
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _workers(self, job: str) -> list[psutil.Process]:
        return [each for each, found in self._ours() if found.get("PENSTOCK_INSTANCE", "").startswith(f"job.{job}.")]

    def _control(self) -> list[psutil.Process]:
        """The control plane and all that serves it, but for processes of deployments."""
        return [each for each, found in self._ours() if "PENSTOCK_INSTANCE" not in found]

    def _cpu_of_platform(self) -> float:
        usage = Usage()
        usage.look(self._control())
        return usage.cpu

    def _ours(self) -> list[tuple[psutil.Process, Mapping[str, str]]]:
        """An environment does not change: it is read once for each process."""
        known, self._environments = self._environments, {}
        found: list[tuple[psutil.Process, Mapping[str, str]]] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                key = (process.pid, process.create_time())
                environment = known[key] if key in known else process.environ()
                self._environments[key] = environment
                homes = (environment.get("PENSTOCK_OWNER"), environment.get("PENSTOCK_HOME"))
                if str(self._home) in homes and "stream" not in process.cmdline():
                    found.append((process, environment))
        return found


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

"""A batch job of many small mini-batches on real data, which tells when each of them ran and when it was committed."""

import json
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from support.running import Platform
from support.trained import REQUIREMENTS, made_by

from penstock.client.client import Client
from penstock.client.resources import RemoteJob

FILES = 400  # two in a mini-batch
SIZE = 2

DIGITS = f"""
from sklearn.datasets import load_digits

pixels, digits = load_digits(return_X_y=True)
names = ",".join(f"p{{n}}" for n in range(64))
for number in range({FILES}):
    with open(f"part-{{number:03d}}.csv", "w") as file:
        file.write(f"id,{{names}},digit\\n")
        for row in range(number, len(pixels), {FILES}):
            values = ",".join(str(int(value)) for value in pixels[row])
            file.write(f"{{row}},{{values}},{{digits[row]}}\\n")
"""

SCRIPT = """
import csv, os, time

def init():
    pass

def run(mini_batch):
    begun = time.time_ns()
    descriptor = os.open(os.environ["RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{begun} {os.path.basename(mini_batch[0])}\\n".encode())
    os.close(descriptor)
    with open(os.environ["PACE"]) as file:
        time.sleep(float(file.read()))
    rows = []
    for path in mini_batch:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                ink = sum(int(row[f"p{n}"]) for n in range(64))
                rows.append(f"{row['id']} {ink} {row['digit']}")
    return rows
"""


def the_digits(folder: Path) -> Path:
    """1,797 handwritten digits in CSV files, with ids."""
    made = made_by(DIGITS, REQUIREMENTS)
    data = folder / "digits"
    data.mkdir()
    for path in made.glob("part-*.csv"):
        (data / path.name).write_bytes(path.read_bytes())
    return data


def expected(data: Path) -> Sequence[str]:
    """What scoring all of it comes to, in the order of the input."""
    rows: list[str] = []
    for path in sorted(data.iterdir()):
        for line in path.read_text().splitlines()[1:]:
            id_, *pixels, digit = line.split(",")
            rows.append(f"{id_} {sum(map(int, pixels))} {digit}")
    return rows


class Batch:
    """A batch deployment of a script, and jobs of it."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.data = the_digits(folder)
        self.runs = folder / "runs.txt"
        self._pace = folder / "pace.txt"
        self._write_files(folder / "files")
        self.pace(0.0)
        platform.run("batch-endpoint", "create", "-f", folder / "files" / "endpoint.yml")
        platform.run("batch-deployment", "create", "-f", folder / "files" / "deployment.yml", "--set-default")

    def pace(self, seconds: float) -> None:
        """Have each mini-batch take so long from now on."""
        replaced = self._pace.with_name("pace.new")
        replaced.write_text(str(seconds))
        replaced.replace(self._pace)

    def begin(self, job: str) -> None:
        """Invoke the endpoint; runs are counted from here on."""
        self.runs.unlink(missing_ok=True)
        self.platform.run("batch-endpoint", "invoke", "--name", "digits", "--input", self.data, "--job-name", job)

    def job(self, name: str) -> RemoteJob:
        with self._client() as client:
            return client.jobs.get(name)

    def resume(self, name: str) -> None:
        self.platform.run("job", "resume", "--name", name)

    def workers(self, job: str) -> list[psutil.Process]:
        """Processes that score for a job."""
        found: list[psutil.Process] = []
        for process in self.platform.processes():
            with suppress(psutil.Error, OSError):
                if process.environ().get("PENSTOCK_INSTANCE", "").startswith(f"job.{job}."):
                    found.append(process)
        return found

    def output(self, job: str) -> Sequence[str]:
        folder = Path(self.job(job).status.outputs["score"])
        return (folder / "predictions.csv").read_text().splitlines()

    def kill_worker(self, job: str, chance: random.Random) -> bool:
        """SIGKILL for one of them; False if there is none."""
        workers = self.workers(job)
        if workers:
            _kill([chance.choice(workers)])
        return bool(workers)

    def kill_everything(self) -> None:
        _kill(self.platform.processes())

    def _client(self) -> Client:
        return Client(self.platform.server["url"], (self.platform.home / "token").read_text().strip())

    def _write_files(self, folder: Path) -> None:
        code = folder / "code"
        code.mkdir(parents=True)
        (code / "score.py").write_text(SCRIPT)
        documents: Mapping[str, Mapping[str, Any]] = {
            "endpoint": {
                "$schema": "https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json",
                "name": "digits",
            },
            "deployment": {
                "$schema": "https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json",
                "name": "ink",
                "endpoint_name": "digits",
                "type": "model",
                "code_configuration": {"code": "./code", "scoring_script": "score.py"},
                "settings": {
                    "mini_batch_size": SIZE,
                    "instance_count": 2,
                    "environment_variables": {"RUNS": str(self.runs), "PACE": str(self._pace)},
                },
            },
        }
        for name, document in documents.items():
            (folder / f"{name}.yml").write_text(json.dumps(document))


@dataclass
class Commits:
    """When each mini-batch of a job was seen in the ledger as done, in nanoseconds; by the name of its first file."""

    seen: dict[str, int] = field(default_factory=dict[str, int])

    def run_afterwards(self, runs: Path) -> Sequence[str]:
        """Mini-batches that were run once they had been committed."""
        lines = (line.split() for line in runs.read_text().splitlines())
        return [name for at, name in lines if int(at) > self.seen.get(name, int(at))]


@contextmanager
def watched_commits(home: Path, job: str) -> Generator[Commits]:
    """Looks into the database, as nothing of the platform would, until the end."""
    commits, over = Commits(), threading.Event()
    query = "SELECT file FROM mini_batches WHERE job = ? AND state = 'done'"

    def watch() -> None:
        with closing(sqlite3.connect(home / "penstock.db", timeout=5)) as database:
            while not over.wait(0.02):
                with suppress(sqlite3.OperationalError):
                    done = database.execute(query, [job]).fetchall()
                    now = time.time_ns()
                    for (number,) in done:
                        commits.seen.setdefault(f"part-{number:03d}.csv", now)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield commits
    finally:
        over.set()
        watcher.join()


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]

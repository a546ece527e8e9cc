"""The processes of a job: workers that score, and one that moves files from and to other machines."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from penstock.batch.containers import in_container, last_words, let_in, seen_by
from penstock.batch.launch import Launch
from penstock.batch.places import JobPlaces
from penstock.batch.work_folder import WorkFolder
from penstock.engines.base import Engine, Process, ProcessSpec
from penstock.preparation.container_images import ReadyImage
from penstock.preparation.defaults import Defaults
from penstock.preparation.revisions import process_environment, worker_variables
from penstock_worker import batch_contract, contract

PREFLIGHT = "_preflight"  # what the names of trials begin with, which are no jobs: `_preflight.ENDPOINT.DEPLOYMENT`
LONGEST_START = timedelta(minutes=20)  # for libraries to be imported, init() to run, or a model to be loaded
_GRACE = timedelta(seconds=5)  # for shutdown() of a script
_AT_ONCE = timedelta(0)

# From the URIs that a mover works with to the variables with which it can open them.
MoverVariables = Callable[[Iterable[str]], Mapping[str, str]]


class Crew:
    """Starts, finds and ends the processes of jobs. They outlive the control plane, and end when they have nothing to
    do for a while."""

    def __init__(self, engine: Engine, places: JobPlaces, defaults: Defaults, mover_variables: MoverVariables) -> None:
        self._engine = engine
        self._places = places
        self._base_environment = defaults.base_environment
        self._memory_bytes = defaults.memory_bytes
        self._log_bytes = defaults.log_bytes
        self._mover_variables = mover_variables

    def members(self, job: str) -> Mapping[str, Process]:
        """The job's processes by worker name, ended ones too until they are forgotten."""
        prefix = f"job.{job}."
        found = (p for p in self._engine.inspect() if p.name.startswith(prefix))
        return {p.name.removeprefix(prefix): p for p in found}

    @property
    def workers(self) -> int:
        """How many workers of jobs there are now, of all jobs together."""
        names = (p.name.split(".") for p in self._engine.inspect() if p.running)
        return sum(parts[0] == "job" and parts[-1].startswith("w") and parts[1] != PREFLIGHT for parts in names)

    def start(self, job: str, worker: str, launch: Launch, level: str, share: int, *, hurried: bool = False) -> None:
        """Start a worker of `share` together; a `hurried` one does not give way to what else the machine does.

        Raises `failed` if that cannot be done.
        """
        folder = WorkFolder(self._places.work(job))
        folder.seat(worker)
        log = self._log(job, worker)
        variables = {
            contract.MEMORY_BYTES: str(max(256 * 2**20, self._memory_bytes // max(1, share))),
            contract.REPORT: str(folder.report_path(worker)),
            batch_contract.FOLDER: str(folder.path),
            batch_contract.WORKER: worker,
            batch_contract.OUTPUT_PATH: str(self._places.outputs(job) / "score"),
            **({batch_contract.PRIORITY: batch_contract.USUAL} if hurried else {}),
        }
        spec = ProcessSpec(
            name=f"job.{job}.{worker}",
            argv=("python", "-m", "penstock_worker.batch", "--logging_level", level),
            environment=variables,
            folder=launch.app,
            log=log,
        )
        if isinstance(launch.environment, ReadyImage):
            seen = seen_by(job, self._places, launch.reads)
            let_in(worker, folder, seen)
            spec = in_container(spec, launch.environment, launch.ingredients, launch.app, seen)
        else:
            spec = self._beside(spec, launch, launch.environment.python)
        self._engine.start(spec)

    def start_mover(self, job: str, worker: str, uris: Iterable[str]) -> None:
        """Start the process that moves files, in the platform's own Python; it may open what `uris` need."""
        folder = WorkFolder(self._places.work(job))
        folder.seat(worker)
        spec = ProcessSpec(
            name=f"job.{job}.{worker}",
            argv=(sys.executable, "-m", "penstock.storage.mover"),
            environment={
                **self._base_environment,
                batch_contract.FOLDER: str(folder.path),
                batch_contract.WORKER: worker,
                contract.REPORT: str(folder.report_path(worker)),
                "PYTHONUNBUFFERED": "1",
                **self._mover_variables(uris),
            },
            folder=folder.path,
            log=self._log(job, worker),
        )
        self._engine.start(spec)

    def stop(self, job: str, worker: str, *, at_once: bool = False) -> None:
        """Ask a worker to end, or kill it. Returns at once; call again until it does not run."""
        self._engine.stop(f"job.{job}.{worker}", _AT_ONCE if at_once else _GRACE)

    def forget(self, job: str, worker: str) -> None:
        """Drop an ended worker."""
        self._engine.forget(f"job.{job}.{worker}")

    def last_words(self, job: str, worker: str) -> str:
        """The end of what the platform's part of a worker has said."""
        return last_words(self._log(job, worker))

    def disband(self, job: str, *, at_once: bool = False) -> bool:
        """End all processes of a job; True when there are none. Call again until then."""
        members = self.members(job)
        for worker, process in members.items():
            if process.running:
                self.stop(job, worker, at_once=at_once)
            else:
                self.forget(job, worker)
        return not any(process.running for process in members.values())

    def _beside(self, spec: ProcessSpec, launch: Launch, python: Path) -> ProcessSpec:
        """The worker as a process beside the platform's own, in its deployment's Python."""
        variables = {
            **worker_variables(launch.app, launch.ingredients),
            contract.LOG: str(spec.log),
            contract.LOG_BYTES: str(self._log_bytes),
            **spec.environment,
        }
        return replace(
            spec,
            argv=(str(python), *spec.argv[1:]),
            environment=process_environment(self._base_environment, launch.ingredients, python, variables),
            folder=Path(variables[contract.APP_ROOT]),
        )

    def _log(self, job: str, worker: str) -> Path:
        path = self._places.logs(job) / "workers" / f"{worker}.txt"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

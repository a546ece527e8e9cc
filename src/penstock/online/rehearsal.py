"""One validation from request to verdict: the model looked at, its environment built, a process started and ended.

The process is no instance: its name has another form, so no endpoint, probe or route knows of it.
"""

import re
import shutil
import threading
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from penstock import durable
from penstock.artifacts.base import Artifacts
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errors import PenstockError, full_disk_named
from penstock.domain.instance import Instance, InstanceName, Phase
from penstock.domain.resource import Truth
from penstock.domain.validation import ValidationRequest
from penstock.engines.base import Engine, Process, ProcessSpec
from penstock.engines.ending import end, end_all
from penstock.online import logs
from penstock.online.assembly import Assembly, Prepared
from penstock.online.errands import Outcome
from penstock.online.places import Places
from penstock.online.preflight import cannot_start, start_deadline, too_slow
from penstock.online.verdicts import CONTAINER_ROW, Say, failure_rows, file_row, model_rows, start_rows
from penstock.preparation.building import Failure
from penstock.preparation.container_images import ReadyImage
from penstock.preparation.model_checks import model_facts
from penstock.preparation.preparation import Preparation
from penstock_worker import contract

_PREFIX = "validation."  # of the names of the processes
_LOOK = 0.05  # seconds
_PATIENCE = timedelta(minutes=30).total_seconds()  # with the registry and the build
_FAILURE_LINES = 40
_SUBJECT = re.compile(r"^deployment [^:]+: ")  # of messages that are made for deployments


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """Runs validations, one after the other. `assembly` and `places` are for their files alone, below `folder`."""

    preparation: Preparation
    assembly: Assembly
    artifacts: Artifacts
    engine: Engine
    places: Places
    folder: Path
    memory_bytes: int  # the limit of a process whose deployment sets none
    stopping: threading.Event

    def run(self, request: ValidationRequest, say: Say) -> Outcome:
        name = f"validation/{request.id}"
        try:
            outcome = self._prepared(name, request.deployment, say)
            if isinstance(outcome, Failure):
                return Outcome(outcome)
            if isinstance(outcome.environment, ReadyImage):
                say(CONTAINER_ROW)
                return Outcome()
            return Outcome(self._tried(request, outcome, say))
        finally:
            shutil.rmtree(self.assembly.deployment_folder(name), ignore_errors=True)

    def end_leftovers(self) -> None:
        end_all(self.engine, _PREFIX)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepared(self, name: str, spec: OnlineDeployment, say: Say) -> Prepared | Failure:
        """The model's files and environment, once they are here."""
        self.assembly.retry(name, spec)
        give_up_at, looked = time.monotonic() + _PATIENCE, False
        while True:
            outcome = self.assembly.prepare(name, spec, lambda: None)
            if not looked and not (isinstance(outcome, Failure) and outcome.step == "Model"):
                looked = self._looked(name, spec, say)
            if isinstance(outcome, Prepared):
                say(("Environment", Truth.TRUE, "Ready", f"environment {outcome.environment.fingerprint} is ready"))
                return outcome
            if isinstance(outcome, Failure):
                return self._failed(outcome, None, say)
            say((outcome.step, Truth.UNKNOWN, outcome.reason, outcome.message))
            if time.monotonic() > give_up_at or self.stopping.wait(_LOOK):
                why = "the platform is ending" if self.stopping.is_set() else outcome.message
                failure = Failure(revision=None, step=outcome.step, reason="Unavailable", message=why)
                return self._failed(failure, None, say)

    def _looked(self, name: str, spec: OnlineDeployment, say: Say) -> bool:
        """Tell what model and code are; False while they are still on their way."""
        try:
            model = self.preparation.ingredients(name, spec).model
        except PenstockError:
            return False
        script = spec.code_configuration.scoring_script if spec.code_configuration else None
        if model is None:
            say(("Model", Truth.TRUE, "Resolved", f"none, served by {script}"))
            return True
        digest, top = model.digest, f"{model.basename}/"
        tree = self.artifacts.tree(digest)
        entries = [entry for entry in tree.entries if f"{entry.path}/".startswith(top)]
        paths = {entry.path for entry in entries}
        facts = None
        if model.mlflow:
            facts = model_facts(lambda p: self.artifacts.read(digest, top + p) if top + p in paths else None)
        for row in (file_row(entries), *model_rows(model.basename, facts, script)):
            say(row)
        return True

    def _tried(self, request: ValidationRequest, prepared: Prepared, say: Say) -> Failure | None:
        """Start the process as an instance would be, watch how its start goes, and end it."""
        if prepared.ingredients.image is not None:
            why = "what runs in a container is tried when it is deployed, by its first instance and before any traffic"
            failure = Failure(revision=prepared.revision, step="Load", reason="NotTried", message=why)
            return self._failed(failure, None, say)
        name = InstanceName("validation", request.id, prepared.revision, 0)
        spec = replace(self.assembly.process(name, prepared, proving=True), name=f"{_PREFIX}{request.id}")
        try:
            spec = self._laid_out(spec, request.sample_request)
            process = self.engine.start(spec)
            return self._watched(name, process, prepared, say)
        except PenstockError as err:
            failure = Failure(revision=prepared.revision, step="Load", reason="CannotStart", message=err.message)
            return self._failed(failure, None, say)
        finally:
            end(self.engine, spec.name)
            self.places.socket(name).unlink(missing_ok=True)
            self.places.report(name).unlink(missing_ok=True)
            self.places.measures(name).unlink(missing_ok=True)
            self.places.inflight(name.endpoint, name.deployment).unlink(missing_ok=True)
            shutil.rmtree(spec.log.parent, ignore_errors=True)

    def _watched(self, name: InstanceName, process: Process, prepared: Prepared, say: Say) -> Failure | None:
        deadline = start_deadline(prepared.spec)
        give_up_at = time.monotonic() + deadline.total_seconds()
        while True:
            seen = next((p for p in self.engine.inspect() if p.name == process.name), process)
            report = contract.read_report(self.places.report(name))
            report = report if report is not None and report.pid == process.pid else None
            instance = _instance(name, seen)
            if not seen.running:
                tail = logs.tail(self.places.log(name), _FAILURE_LINES)
                limit = prepared.ingredients.memory_bytes or self.memory_bytes
                return self._failed(cannot_start(instance, report, tail, limit), report, say)
            if report is None or report.phase != contract.FAILED:
                for row in start_rows(report):
                    say(row)
            if report is not None and report.phase == contract.READY:
                return None
            if time.monotonic() > give_up_at or self.stopping.wait(_LOOK):
                return self._failed(too_slow(instance, report, deadline), report, say)

    def _failed(self, failure: Failure, report: contract.Report | None, say: Say) -> Failure:
        failure = replace(failure, message=_SUBJECT.sub("", failure.message))
        for row in failure_rows(failure, report):
            say(row)
        return failure

    def _laid_out(self, spec: ProcessSpec, sample_request: str | None) -> ProcessSpec:
        """The process with its folders made, and the sample request where it looks for it."""
        with full_disk_named(self.folder):
            spec.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if sample_request is None:
                return spec
            sample = spec.log.with_name("sample-request.json")
            durable.replace(sample, sample_request.encode())
        return replace(spec, environment={**spec.environment, contract.SAMPLE_REQUEST: str(sample)})


def _instance(name: InstanceName, process: Process) -> Instance:
    """The process in the words that instances are judged in."""
    phase = Phase.STARTING if process.running else Phase.EXITED
    return Instance(name=name, phase=phase, started_at=process.started_at, pid=process.pid, exit_code=process.exit_code)

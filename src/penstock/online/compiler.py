"""One compilation from request to new version: files, environment, a process that converts and compares, registration.

The model is loaded in a process of its own in an environment of its own, as when it is deployed, never in this one.
"""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TypeVar

from penstock.artifacts.base import Artifacts
from penstock.artifacts.folders import pack
from penstock.domain.artifact import ArtifactReference, Tree, parse_artifact_reference
from penstock.domain.compilation import CompilationRequest, Compiled
from penstock.domain.environment import Requirements
from penstock.domain.errors import Code, PenstockError, full_disk_named, invalid
from penstock.domain.model import Model, ModelVersion
from penstock.domain.names import AssetReference
from penstock.domain.resource import Truth
from penstock.engines.base import Engine, ProcessSpec
from penstock.engines.ending import end, end_all
from penstock.environments.base import BuiltEnvironment, Environments
from penstock.environments.packaged import Reader, mlmodel_of, requirements_of
from penstock.online import compiled_verdicts, logs
from penstock.online.errands import Outcome
from penstock.online.verdicts import Say, file_row
from penstock.preparation.background import Background
from penstock.preparation.building import Failure, Waiting, built_for, retry_build
from penstock.preparation.models import Models
from penstock.preparation.revisions import one_thread
from penstock_worker.compiler import contract

_PREFIX = "compilation."  # of the names of the processes
_LOOK = 0.1  # seconds
_PATIENCE = timedelta(minutes=30).total_seconds()  # with the registry and the build
_LIMIT = timedelta(minutes=30).total_seconds()  # of the process
_LOG_LINES = 40

ResultT = TypeVar("ResultT")


class StepError(Exception):
    """A step that failed; it ends the compilation."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is compiled, once its files are here."""

    version: ModelVersion
    model: ArtifactReference
    data: ArtifactReference
    requirements: Requirements  # the converters among them

    @property
    def name(self) -> str:
        return f"{self.version.name}:{self.version.version}"


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """Runs compilations, one after the other. `folder` is for their files alone."""

    models: Models
    artifacts: Artifacts
    environments: Environments
    builds: Background[BuiltEnvironment]
    engine: Engine
    folder: Path
    base_environment: Mapping[str, str]
    memory_bytes: int  # the limit of the process
    now: Callable[[], datetime]
    stopping: threading.Event

    def run(self, request: CompilationRequest, say: Say) -> Outcome:
        folder = self.folder / request.id
        try:
            with full_disk_named(self.folder):
                return self._compiled(request, folder, say)
        except StepError as err:
            failure = err.failure
            say((failure.step, Truth.FALSE, failure.reason, failure.message))
            return Outcome(failure)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def end_leftovers(self) -> None:
        end_all(self.engine, _PREFIX)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _compiled(self, request: CompilationRequest, folder: Path, say: Say) -> Outcome:
        subject = self._files(request, say)
        environment = self._environment(subject, say)
        job = self._laid_out(request, subject, folder)
        compiled = self._converted(request, job, environment, say)
        say(compiled_verdicts.match_row(compiled))
        if compiled.differing:
            _, _, reason, message = compiled_verdicts.match_row(compiled)
            detail = compiled_verdicts.differences_text(compiled.worst)
            failure = Failure(revision=None, step=contract.MATCH, reason=reason, message=message, detail=detail)
            return Outcome(failure, {"compiled": compiled})
        say(compiled_verdicts.speed_row(compiled))
        registered = self._registered(request, subject, compiled, Path(job.output), say)
        name = f"{registered.name}:{registered.version}"
        notice = compiled_verdicts.refused_values(compiled)
        message = f"{name}, compiled from {subject.name}{f'; {notice}' if notice else ''}"
        say(("Register", Truth.TRUE, "Registered", message))
        return Outcome(None, {"compiled": compiled, "model": name})

    def _files(self, request: CompilationRequest, say: Say) -> _Subject:
        """The model's files and the data, which are looked at before anything is built."""
        wanted = _reference(request)
        version = self._patiently("Files", say, lambda: self.models.fetch(wanted, patience=0.0))
        try:
            model, tree = self._artifact(version.path)
            data, data_tree = self._artifact(request.data)
            self._check_data(data, data_tree)
            read = self._reader(model, tree)
            mlmodel = mlmodel_of(read)
            requirements = requirements_of(read) if mlmodel is not None else Requirements()
        except PenstockError as err:
            raise _failed("Files", "NotResolved", err.message) from err
        refused = compiled_verdicts.refusal(version, mlmodel)
        if refused is not None:
            raise _failed("Files", "NotSupported", refused)
        name, truth, reason, message = file_row(tree.entries)
        say((name, truth, reason, f"{message}; data {data.path}"))
        more = compiled_verdicts.converter_packages(mlmodel or {}, request.format, data.path)
        whole = requirements.model_copy(update={"packages": (*requirements.packages, *more)})
        return _Subject(version=version, model=model, data=data, requirements=whole)

    def _environment(self, subject: _Subject, say: Say) -> BuiltEnvironment:
        def ask() -> BuiltEnvironment | Waiting:
            outcome = built_for(subject.requirements, self.environments, self.builds)
            if isinstance(outcome, PenstockError):
                raise outcome
            return outcome

        try:
            retry_build(subject.requirements, self.environments, self.builds)
        except PenstockError as err:
            raise _failed("Environment", "CannotBuild", err.message) from err
        built = self._patiently("Environment", say, ask)
        self.environments.use(built.fingerprint)
        message = f"environment {built.fingerprint}: the model's own requirements and the converters"
        say(("Environment", Truth.TRUE, "Ready", message))
        return built

    def _laid_out(self, request: CompilationRequest, subject: _Subject, folder: Path) -> contract.Job:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        model = self.artifacts.materialise(subject.model.digest, folder / "model", link=True) / subject.model.path
        data = self.artifacts.materialise(subject.data.digest, folder / "data", link=True) / subject.data.path
        job = contract.Job(
            model=str(model),
            data=str(data),
            output=str(folder / "output" / PurePosixPath(subject.model.path).name),
            report=str(folder / "report"),
            name=subject.name,
            format=request.format.value,
            tolerance=request.tolerance,
            rows=request.rows,
            memory_bytes=self.memory_bytes,
            options=tuple(line for line in subject.requirements.packages if line.startswith("-")),
        )
        (folder / "output").mkdir()
        (folder / "job").write_text(job.text(), encoding="utf-8")
        return job

    def _converted(
        self, request: CompilationRequest, job: contract.Job, environment: BuiltEnvironment, say: Say
    ) -> Compiled:
        folder = Path(job.report).parent
        spec = ProcessSpec(
            name=f"{_PREFIX}{request.id}",
            argv=(str(environment.python), "-m", contract.MODULE, str(folder / "job")),
            environment=one_thread(self.base_environment, environment.python),
            folder=folder,
            log=folder / "log",
        )
        try:
            self.engine.start(spec)
            return self._watched(spec, Path(job.report), say)
        except PenstockError as err:
            raise _failed(contract.CONVERT, "CannotStart", err.message) from err
        finally:
            end(self.engine, spec.name)

    def _watched(self, spec: ProcessSpec, report: Path, say: Say) -> Compiled:
        """Tell what the process says until it has ended, or its time is over."""
        give_up_at, told = time.monotonic() + _LIMIT, 0
        while True:
            running = any(p.name == spec.name and p.running for p in self.engine.inspect())
            lines = _lines(report)
            for line in lines[told:]:
                if line.failed:
                    raise _failed(line.step, line.reason, line.message, line.detail or None)
                if line.outcome is not None:
                    return Compiled.model_validate(line.outcome)
                say(compiled_verdicts.said_row(line))
            told = len(lines)
            step = lines[-1].step if lines else contract.CONVERT
            if not running:
                raise self._died(spec, step)
            if time.monotonic() > give_up_at:
                raise _failed(step, "TimedOut", f"it has not ended within {_LIMIT / 60:.0f} minutes: give fewer --rows")
            if self.stopping.wait(_LOOK):
                raise _failed(step, "Unavailable", "the platform is ending")

    def _died(self, spec: ProcessSpec, step: str) -> StepError:
        code = next((p.exit_code for p in self.engine.inspect() if p.name == spec.name), None)
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        message = f"the process that compiles {how} (its memory is limited to {self.memory_bytes // 2**20} MiB)"
        return _failed(step, "ProcessDied", message, logs.tail(spec.log, _LOG_LINES))

    def _registered(
        self, request: CompilationRequest, subject: _Subject, compiled: Compiled, output: Path, say: Say
    ) -> ModelVersion:
        packed = pack(output)
        for digest in self.artifacts.missing(packed.files):
            with packed.files[digest].open("rb") as file:
                self.artifacts.put_blob(digest, iter(lambda: file.read(1024 * 1024), b""))
        self.artifacts.put_tree(packed.tree)
        origin = subject.version
        model = Model(
            name=origin.name,
            path=packed.reference,
            description=f"{subject.name} compiled to {compiled.attempt}",
            tags=compiled_verdicts.tags(origin, compiled),
            lineage=origin.lineage.model_copy(update={"parent": subject.name}),
        )
        return self._patiently("Register", say, lambda: self.models.register(model, at=self.now(), actor=request.actor))

    def _patiently(self, step: str, say: Say, ask: Callable[[], ResultT | Waiting]) -> ResultT:
        """What `ask` returns in the end, while what is unavailable or being made is waited for."""
        give_up_at = time.monotonic() + _PATIENCE
        while True:
            try:
                found = ask()
            except PenstockError as err:
                if err.code is not Code.UNAVAILABLE or "retry_after" not in err.details:
                    raise _failed(step, _reason(err), err.message, err.details.get("log")) from err
                found = Waiting(step=step, reason="Waiting", message=err.message)
            if not isinstance(found, Waiting):
                return found
            say((step, Truth.UNKNOWN, found.reason, found.message))
            if time.monotonic() > give_up_at or self.stopping.wait(_LOOK):
                why = "the platform is ending" if self.stopping.is_set() else found.message
                raise _failed(step, "Unavailable", why)

    def _artifact(self, text: str) -> tuple[ArtifactReference, Tree]:
        reference = parse_artifact_reference(text)
        if reference is None:
            raise invalid(f"{text!r} is not an artifact: upload it first, as the penstock command does")
        return reference, self.artifacts.tree(reference.digest)

    def _check_data(self, data: ArtifactReference, tree: Tree) -> None:
        known = PurePosixPath(data.path).suffix in compiled_verdicts.DATA_SUFFIXES
        if not known or [entry.path for entry in tree.entries] != [data.path]:
            kinds = ", ".join(compiled_verdicts.DATA_SUFFIXES)
            raise invalid(f"the data is {data.path!r}: give one file of these kinds: {kinds}")

    def _reader(self, model: ArtifactReference, tree: Tree) -> Reader:
        paths = {entry.path for entry in tree.entries}

        def read(path: str) -> bytes | None:
            full = f"{model.path}/{path}"
            return self.artifacts.read(model.digest, full) if full in paths else None

        return read


def _reference(request: CompilationRequest) -> AssetReference:
    if request.version == "latest" or request.version.startswith("@"):
        return AssetReference(request.name, label=request.version.removeprefix("@"))
    return AssetReference(request.name, request.version)


def _lines(report: Path) -> list[contract.Said]:
    """The whole lines of the report."""
    try:
        text = report.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [contract.Said.read(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _failed(step: str, reason: str, message: str, detail: str | None = None) -> StepError:
    return StepError(Failure(revision=None, step=step, reason=reason, message=message, detail=detail))


def _reason(error: PenstockError) -> str:
    return {Code.NOT_FOUND: "NotFound", Code.UNAVAILABLE: "Unavailable"}.get(error.code, "Failed")

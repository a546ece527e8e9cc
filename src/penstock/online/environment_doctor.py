"""Examines environments before anything is built: whether their requirements can be had, and what to change if not."""

import hashlib
from collections.abc import Mapping

from penstock.artifacts.base import Artifacts
from penstock.control.resources import Resources
from penstock.domain.artifact import parse_artifact_reference
from penstock.domain.environment import Environment, Requirements
from penstock.domain.errors import Code, PenstockError, invalid, not_found
from penstock.domain.examination import Examination, Patient, ProposedChange
from penstock.domain.names import AssetReference, parse_asset_reference
from penstock.environments.base import Diagnosis, Environments
from penstock.environments.packaged import Reader, mlmodel_of, requirements_of
from penstock.environments.pickles import PickleFaults, pickle_faults
from penstock.environments.reading import is_container
from penstock.preparation.background import Background
from penstock.preparation.environments import find_environment
from penstock.preparation.models import Models
from penstock.registry.places import Registered, parse_place

_PATIENCE = 2.0  # seconds that a call waits before it asks its caller to come again
_RETRY_AFTER = "0.5"


class EnvironmentDoctor:
    """An examination takes up to minutes, and goes on in the background while its caller asks for it again."""

    def __init__(self, resources: Resources, models: Models, artifacts: Artifacts, environments: Environments) -> None:
        self._resources = resources
        self._models = models
        self._artifacts = artifacts
        self._environments = environments
        self._work: Background[Diagnosis] = Background("examination", at_a_time=1)
        self._doing: dict[str, str] = {}  # what is being done, by key

    def close(self) -> None:
        self._work.close()

    def examine(self, patient: Patient) -> Examination:
        """What was found. Raises `unavailable` with `details["retry_after"]`, saying what is being done, until then.

        Raises `invalid` or `not_found` for what cannot be read.
        """
        read = self._reader(patient)
        model = (read and mlmodel_of(read)) or {}
        requirements = self._requirements(patient, read)
        key = hashlib.sha256(requirements.model_dump_json().encode()).hexdigest()[:16]
        outcome = self._work.outcome(key, lambda: self._diagnosed(key, requirements), patience=_PATIENCE)
        if outcome is None:
            doing = self._doing.get(key, "another environment is examined first")
            raise PenstockError(Code.UNAVAILABLE, doing, {"retry_after": _RETRY_AFTER})
        if isinstance(outcome, PenstockError):
            self._work.retry(key)
            raise outcome
        return _shown(outcome, pickle_faults(model, requirements, outcome.python))

    def _diagnosed(self, key: str, requirements: Requirements) -> Diagnosis:
        try:
            return self._environments.diagnose(requirements, lambda doing: self._doing.update({key: doing}))
        finally:
            self._doing.pop(key, None)

    def _requirements(self, patient: Patient, read: Reader | None) -> Requirements:
        environment = patient.environment
        if isinstance(environment, str):
            curated = self._environments.curated(environment)
            if curated is not None:
                return curated
            reference = parse_asset_reference("environment", environment)
            environment = find_environment(self._resources, reference.name, reference.version).spec
        if isinstance(environment, Environment):
            if is_container(environment, self._environments.curated):
                raise invalid("the environment is a container's image, into which nothing is installed")
            return self._environments.read(environment)
        if read is not None and mlmodel_of(read) is not None:
            return requirements_of(read)
        return Requirements()

    def _reader(self, patient: Patient) -> Reader | None:
        """The files of the model, if there is one."""
        if patient.model_files:
            files: Mapping[str, str] = patient.model_files
            return lambda path: files[path].encode() if path in files else None
        if patient.model is None:
            return None
        path = self._path(patient.model)
        reference = parse_artifact_reference(path)
        if reference is None:
            raise invalid(f"model {patient.model!r}: give the model's folder, or a registered model")
        present = {entry.path for entry in self._artifacts.tree(reference.digest).entries}

        def read(name: str) -> bytes | None:
            full = f"{reference.path}/{name}"
            return self._artifacts.read(reference.digest, full) if full in present else None

        return read

    def _path(self, model: str) -> str:
        """Where the files of the model are; of a registered one, once they have been fetched."""
        if model.startswith("artifact:"):
            return model
        if not model.startswith("models:/"):
            return self._models.fetch(parse_asset_reference("model", model)).path
        place = parse_place(model)
        if not isinstance(place, Registered):
            raise not_found(f"{model} is not registered: `penstock model create --name NAME --path {model}`")
        return self._models.fetch(AssetReference(place.name, place.version, place.alias)).path


def _shown(diagnosis: Diagnosis, pickles: PickleFaults) -> Examination:
    faults = (*diagnosis.faults, *pickles.errors)
    return Examination(
        resolvable=not faults,
        python=diagnosis.python,
        fingerprint=diagnosis.fingerprint,
        cached=diagnosis.cached,
        packages=diagnosis.packages,
        faults=faults,
        changes=tuple(ProposedChange(old=change.old, new=change.new) for change in diagnosis.changes),
        notices=(*diagnosis.notices, *pickles.notices),
        complete=diagnosis.complete,
    )

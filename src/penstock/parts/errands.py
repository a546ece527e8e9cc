"""What users have done once and wait for: validations of models, and compilations."""

import threading
from dataclasses import dataclass

from penstock.domain.compilation import Compilation, CompilationRequest
from penstock.domain.validation import Validation, ValidationRequest
from penstock.online.assembly import Assembly
from penstock.online.compiler import Compiler
from penstock.online.errands import Errands
from penstock.online.places import Places
from penstock.online.rehearsal import Rehearsal
from penstock.parts.ground import Ground


@dataclass(frozen=True, kw_only=True)
class ErrandParts:
    validations: Errands[ValidationRequest, Validation]
    compilations: Errands[CompilationRequest, Compilation]


def errand_parts(ground: Ground) -> ErrandParts:
    return ErrandParts(
        validations=Errands(Validation, _rehearsal(ground), ground.clock),
        compilations=Errands(Compilation, _compiler(ground), ground.clock),
    )


def _rehearsal(ground: Ground) -> Rehearsal:
    """What validations run on: the same parts as deployments, with folders of their own."""
    settings, outside, preparation, defaults = ground.settings, ground.outside, ground.preparation, ground.defaults
    folder = settings.home / "validations"
    places = Places(run=settings.run_folder, logs=folder / "logs", collected=folder / "collected")
    return Rehearsal(
        preparation=preparation,
        assembly=Assembly(preparation, outside.environments, ground.builds, folder / "apps", places, defaults),
        artifacts=outside.artifacts,
        engine=outside.engine,
        places=places,
        folder=folder,
        memory_bytes=defaults.memory_bytes,
        stopping=threading.Event(),
    )


def _compiler(ground: Ground) -> Compiler:
    return Compiler(
        models=ground.models,
        artifacts=ground.outside.artifacts,
        environments=ground.outside.environments,
        builds=ground.builds,
        engine=ground.outside.engine,
        folder=ground.settings.home / "compilations",
        base_environment=ground.defaults.base_environment,
        memory_bytes=ground.defaults.memory_bytes,
        now=ground.clock.now,
        stopping=threading.Event(),
    )

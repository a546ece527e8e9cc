"""Parts of the platform, as the settings want them."""

import os
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from penstock.batch.active_job import JobParts
from penstock.batch.crew import Crew
from penstock.batch.deployment_reconciler import BatchDeploymentReconciler
from penstock.batch.job_input import JobInput
from penstock.batch.job_reconciler import JobReconciler
from penstock.batch.launch import Launches
from penstock.batch.places import JobPlaces
from penstock.batch.preflight import Preflight
from penstock.batch.seating import Seating
from penstock.control.clock import SystemClock
from penstock.control.resources import Resources
from penstock.domain.job import JOB
from penstock.environments.base import BuiltEnvironment
from penstock.online.assembly import Assembly
from penstock.online.compiler import Compiler
from penstock.online.environment_collector import EnvironmentCollector
from penstock.online.fleet import Places
from penstock.online.record_keeper import RecordKeeper
from penstock.online.rehearsal import Rehearsal
from penstock.outside import Outside, own_environments, storage
from penstock.preparation.background import Background
from penstock.preparation.data import find_data
from penstock.preparation.datastores import Datastores
from penstock.preparation.defaults import Defaults
from penstock.preparation.models import Models
from penstock.preparation.preparation import Preparation
from penstock.registry.files import MlflowFiles
from penstock.registry.known import KnownVersions
from penstock.registry.mlflow import MlflowRegistry
from penstock.settings import Settings
from penstock.storage.base import Storage
from penstock.storage.secrets import DatastoreSecrets

_MEMORY_SHARE = 0.8  # of the host's memory, the limit of an instance that sets none

# What instances inherit from the host; everything else of the platform's environment is kept from them.
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "CUDA_VISIBLE_DEVICES",
)


def registry_models(home: Path, outside: Outside) -> Models:
    registry, files = MlflowRegistry(outside.registry), MlflowFiles(outside.registry)
    return Models(registry, files, outside.artifacts, KnownVersions(home / "registry"))


def environment_collector(settings: Settings, resources: Resources, outside: Outside) -> EnvironmentCollector:
    return EnvironmentCollector(
        outside.environments,
        resources,
        (settings.home / "apps", settings.home / "batch"),
        lambda: own_environments(settings, outside.environments),
        timedelta(days=settings.environment_days) if settings.environment_days > 0 else None,
    )


def record_keeper(settings: Settings, clock: SystemClock) -> RecordKeeper:
    keep = timedelta(days=settings.collected_days) if settings.collected_days > 0 else None
    return RecordKeeper(settings.collected_folder, keep, clock.now)


def rehearsal(
    settings: Settings, preparation: Preparation, outside: Outside, builds: Background[BuiltEnvironment]
) -> Rehearsal:
    """What validations run on: the same parts as deployments, with folders of their own."""
    folder, defaults = settings.home / "validations", instance_defaults(settings)
    places = Places(run=settings.run_folder, logs=folder / "logs", collected=folder / "collected")
    return Rehearsal(
        preparation=preparation,
        assembly=Assembly(preparation, outside.environments, builds, folder / "apps", places, defaults),
        artifacts=outside.artifacts,
        engine=outside.engine,
        places=places,
        folder=folder,
        memory_bytes=defaults.memory_bytes,
        stopping=threading.Event(),
    )


def compiler(settings: Settings, models: Models, outside: Outside, builds: Background[BuiltEnvironment]) -> Compiler:
    defaults = instance_defaults(settings)
    return Compiler(
        models=models,
        artifacts=outside.artifacts,
        environments=outside.environments,
        builds=builds,
        engine=outside.engine,
        folder=settings.home / "compilations",
        base_environment=defaults.base_environment,
        memory_bytes=defaults.memory_bytes,
        now=SystemClock().now,
        stopping=threading.Event(),
    )


def datastores_and_data(settings: Settings, resources: Resources) -> tuple[Datastores, Storage]:
    """The datastores, and all data that jobs may read, wherever it lies."""
    home, since = settings.home, SystemClock().now()
    datastores = Datastores(resources, DatastoreSecrets(home / "secrets" / "datastores"), home / "data", since)
    data = storage(datastores.connection, lambda asset: find_data(resources, asset.name, asset.version).spec)
    return datastores, data


@dataclass(frozen=True)
class Batch:
    """What runs the jobs of batch deployments."""

    jobs: JobReconciler
    deployments: BatchDeploymentReconciler
    places: JobPlaces
    crew: Crew


def batch(
    settings: Settings,
    resources: Resources,
    preparation: Preparation,
    outside: Outside,
    builds: Background[BuiltEnvironment],
    stored: tuple[Datastores, Storage],
) -> Batch:
    clock, defaults, places = SystemClock(), instance_defaults(settings), JobPlaces(settings.home / "jobs")
    datastores, data = stored
    crew = Crew(outside.engine, places, defaults, lambda uris: datastores.mover_variables(uris, settings.environ))
    launches = Launches(preparation, outside.environments, builds, places)
    input_ = JobInput(data, outside.ledger, places, lambda job: _since(resources, job))
    parts = JobParts(ledger=outside.ledger, crew=crew, input=input_, places=places)
    seating = Seating(resources, os.cpu_count() or 1)
    return Batch(
        jobs=JobReconciler(resources, parts, launches, seating, clock),
        deployments=BatchDeploymentReconciler(resources, launches, Preflight(crew, places, clock), clock),
        places=places,
        crew=crew,
    )


def _since(resources: Resources, job: str) -> str | None:
    found = resources.find(JOB, job)
    return found.spec.since if found is not None else None


def instance_defaults(settings: Settings) -> Defaults:
    memory = settings.instance_memory_bytes or int(psutil.virtual_memory().total * _MEMORY_SHARE)
    return Defaults(
        base_environment={name: settings.environ[name] for name in _INHERITED if name in settings.environ},
        memory_bytes=memory,
        max_body_bytes=settings.max_body_bytes,
        log_bytes=settings.log_bytes,
    )

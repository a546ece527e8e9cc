"""What runs the jobs of batch deployments, and the data that they read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from penstock.batch.active_job import JobParts
from penstock.batch.batch_deployments import BatchDeployments
from penstock.batch.batch_endpoints import BatchEndpoints
from penstock.batch.computes import Computes
from penstock.batch.crew import Crew
from penstock.batch.deployment_reconciler import BatchDeploymentReconciler
from penstock.batch.job_files import JobFiles
from penstock.batch.job_input import Earlier, JobInput
from penstock.batch.job_reconciler import JobReconciler
from penstock.batch.jobs import Jobs
from penstock.batch.launch import Launches
from penstock.batch.leftovers import Leftovers
from penstock.batch.places import JobPlaces
from penstock.batch.preflight import Preflight
from penstock.batch.seating import Seating
from penstock.batch.settling import Settling
from penstock.control.controller import Reconciler
from penstock.control.resources import Resources
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT
from penstock.domain.batch_endpoint import BATCH_ENDPOINT
from penstock.domain.compute import COMPUTE
from penstock.domain.datastore import DATASTORE
from penstock.domain.job import JOB, JobState
from penstock.outside import storage
from penstock.parts.ground import Ground
from penstock.preparation.data import find_data
from penstock.preparation.datastores import Datastores
from penstock.storage.base import Storage
from penstock.storage.secrets import DatastoreSecrets


@dataclass(frozen=True, kw_only=True)
class Batch:
    """`runner` runs the jobs, of which users ask `jobs`; `storage` is all data that jobs may read, wherever it lies."""

    computes: Computes
    endpoints: BatchEndpoints
    deployments: BatchDeployments
    jobs: Jobs
    job_files: JobFiles
    datastores: Datastores
    storage: Storage
    runner: JobReconciler
    reconcilers: Mapping[str, Reconciler]


def batch(ground: Ground) -> Batch:
    settings, resources, clock = ground.settings, ground.resources, ground.clock
    secrets = DatastoreSecrets(settings.home / "secrets" / "datastores")
    datastores = Datastores(resources, secrets, settings.home / "data", clock.now())
    data = storage(datastores.connection, lambda asset: find_data(resources, asset.name, asset.version).spec)
    places = JobPlaces(settings.home / "jobs")
    crew = Crew(
        ground.outside.engine,
        places,
        ground.defaults,
        lambda uris: datastores.mover_variables(uris, settings.environ),
    )
    launches = Launches(ground.preparation, ground.outside.environments, ground.builds, places)
    runner = JobReconciler(
        resources, _job_parts(ground, crew, data, places), launches, Seating(resources, os.cpu_count() or 1), clock
    )
    return Batch(
        computes=Computes(resources),
        endpoints=BatchEndpoints(resources),
        deployments=BatchDeployments(resources, ground.preparation),
        jobs=Jobs(resources, data),
        job_files=JobFiles(resources, places),
        datastores=datastores,
        storage=data,
        runner=runner,
        reconcilers={
            JOB.name: runner,
            BATCH_DEPLOYMENT.name: BatchDeploymentReconciler(
                resources, launches, Preflight(crew, places, clock), clock
            ),
            BATCH_ENDPOINT.name: Settling(resources, BATCH_ENDPOINT, clock, BATCH_DEPLOYMENT),
            COMPUTE.name: Settling(resources, COMPUTE, clock),
            DATASTORE.name: Settling(resources, DATASTORE, clock),
        },
    )


def _job_parts(ground: Ground, crew: Crew, data: Storage, places: JobPlaces) -> JobParts:
    ledger = ground.outside.ledger
    input_ = JobInput(data, ledger, places, lambda job: _earlier(ground.resources, job))
    days = ground.settings.job_days
    leftovers = Leftovers(places, ledger, timedelta(days=days) if days > 0 else None)
    return JobParts(ledger=ledger, crew=crew, input=input_, places=places, leftovers=leftovers)


def _earlier(resources: Resources, job: str) -> Earlier | None:
    found = resources.find(JOB, job)
    return None if found is None else Earlier(found.spec.since, found.status.state is JobState.COMPLETED)

"""Puts the platform together."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from penstock.api.readiness import Readiness, checks
from penstock.api.services import Services
from penstock.batch.batch_deployments import BatchDeployments
from penstock.batch.batch_endpoints import BatchEndpoints
from penstock.batch.computes import Computes
from penstock.batch.job_files import JobFiles
from penstock.batch.jobs import Jobs
from penstock.batch.settling import Settling
from penstock.control.clock import SystemClock
from penstock.control.controller import Controller, Reconciler
from penstock.control.events import EventFollower
from penstock.control.lease import Leadership
from penstock.control.resources import Resources
from penstock.domain.autoscale import AUTOSCALE
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT
from penstock.domain.batch_endpoint import BATCH_ENDPOINT
from penstock.domain.compilation import Compilation
from penstock.domain.compute import COMPUTE
from penstock.domain.contract import CONTRACT
from penstock.domain.datastore import DATASTORE
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.events import Event
from penstock.domain.instance import parse_instance_name
from penstock.domain.job import JOB
from penstock.domain.resource import AnyKind, Key
from penstock.domain.rollout import ROLLOUT
from penstock.domain.validation import Validation
from penstock.domain.webhook import WEBHOOK
from penstock.engines.base import Engine
from penstock.environments.base import BuiltEnvironment
from penstock.gateway.haproxy import HaproxyGateway
from penstock.online import machine
from penstock.online.assembly import Assembly
from penstock.online.autoscale_reconciler import AutoscaleReconciler
from penstock.online.autoscales import Autoscales
from penstock.online.contract_files import ContractFiles
from penstock.online.contract_reconciler import ContractReconciler
from penstock.online.contracts import Contracts
from penstock.online.counts import Counts
from penstock.online.deployment_reconciler import DeploymentReconciler
from penstock.online.deployments import Deployments
from penstock.online.endpoint_reconciler import EndpointReconciler
from penstock.online.endpoints import Endpoints
from penstock.online.environment_doctor import EnvironmentDoctor
from penstock.online.errands import Errands
from penstock.online.exposition import parse
from penstock.online.fleet import Fleet, Places
from penstock.online.golden import Golden
from penstock.online.golden_recorder import GoldenRecorder
from penstock.online.inspector import Inspector
from penstock.online.keys import Keyring
from penstock.online.meter import Meter
from penstock.online.minutes import Minutes
from penstock.online.probes import Prober
from penstock.online.rollbacks import Rollbacks
from penstock.online.rollout_looks import Looks
from penstock.online.rollout_reconciler import RolloutReconciler
from penstock.online.rollout_stages import Stages
from penstock.online.rollouts import Rollouts
from penstock.online.routing import Routing
from penstock.online.scaler import Scaler
from penstock.online.shadow import Shadows
from penstock.online.tapes import DeploymentTapes
from penstock.online.waker import Waker
from penstock.online.watch import Watch
from penstock.online.webhook_parts import webhook_parts
from penstock.outside import connect, identity
from penstock.parts import (
    batch,
    compiler,
    datastores_and_data,
    environment_collector,
    instance_defaults,
    record_keeper,
    registry_models,
    rehearsal,
)
from penstock.preparation.background import Background
from penstock.preparation.preparation import Preparation
from penstock.settings import Settings
from penstock.telemetry.records import Records

_MAX_BLOB_BYTES = 64 * 2**30
_KINDS: tuple[AnyKind, ...] = (  # with a reconciler
    ONLINE_ENDPOINT,
    ONLINE_DEPLOYMENT,
    CONTRACT,
    ROLLOUT,
    WEBHOOK,
    COMPUTE,
    DATASTORE,
    BATCH_ENDPOINT,
    BATCH_DEPLOYMENT,
    JOB,
)


class Part(Protocol):
    """What runs in the background of a control plane."""

    def start(self) -> None: ...

    def stop(self) -> object: ...


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A control plane. `parts` start in their order and stop in the reverse one; then `closing` is called."""

    services: Services
    gateway: HaproxyGateway
    parts: tuple[Part, ...]
    closing: tuple[Callable[[], object], ...]

    def start(self) -> None:
        """Raises `unavailable` if the store, or a port of the gateway, cannot be had."""
        for part in self.parts:
            part.start()

    def stop(self) -> None:
        """End the control plane's own threads; gateway and instances go on."""
        for part in reversed(self.parts):
            part.stop()
        for close in self.closing:
            close()


def build(settings: Settings, token: str, shut_down: Callable[[], None]) -> Platform:
    """The platform for these settings; nothing runs yet. `shut_down` is called when a client asks for the end."""
    home, clock, outside = settings.home, SystemClock(), connect(settings)
    resources = Resources(outside.store, clock, lambda key: _enqueue(controller, key))
    places = Places(run=settings.run_folder, logs=home / "logs" / "instances", collected=settings.collected_folder)
    prober = Prober(lambda name: watch.changed(name))  # noqa: PLW0108 - made below
    contract_files = ContractFiles(resources, places)
    fleet = Fleet(outside.engine, outside.gateway, prober, places, clock, contract_files)
    routing = Routing(resources, fleet, outside.gateway)
    keyring = Keyring(home / "secrets" / "endpoints")
    models = registry_models(home, outside)
    preparation = Preparation(resources, models, outside.artifacts, outside.environments, outside.images)
    builds: Background[BuiltEnvironment] = Background("build")
    defaults = instance_defaults(settings)
    assembly = Assembly(preparation, outside.environments, builds, home / "apps", places, defaults)
    meter, tapes = Meter(outside.gateway, places, clock), DeploymentTapes(fleet, clock)
    inspector = Inspector(resources, fleet, outside.gateway, clock)
    endpoints, deployments = Endpoints(resources, keyring, routing), Deployments(resources, preparation, clock)
    golden = Golden(resources, keyring, outside.gateway, settings.host)
    shadows = Shadows(resources, meter, tapes, outside.gateway, clock, acting=lambda: leadership.held)
    stages = Stages(golden, shadows)
    looks = Looks(meter, tapes, lambda: parse(inspector.metrics().decode(errors="replace")))
    hooks = webhook_parts(resources, clock, lambda: leadership.held, home / "secrets" / "webhooks", settings.database)
    datastores, data = datastores_and_data(settings, resources)
    batches = batch(settings, resources, preparation, outside, builds, (datastores, data))
    reconcilers: Mapping[str, Reconciler] = {
        JOB.name: batches.jobs,
        BATCH_DEPLOYMENT.name: batches.deployments,
        BATCH_ENDPOINT.name: Settling(resources, BATCH_ENDPOINT, clock, BATCH_DEPLOYMENT),
        COMPUTE.name: Settling(resources, COMPUTE, clock),
        DATASTORE.name: Settling(resources, DATASTORE, clock),
        ROLLOUT.name: RolloutReconciler(resources, routing, looks, stages, clock),
        ONLINE_ENDPOINT.name: EndpointReconciler(resources, keyring, routing, clock),
        AUTOSCALE.name: AutoscaleReconciler(resources, clock),
        CONTRACT.name: ContractReconciler(resources, contract_files, preparation, clock),
        WEBHOOK.name: hooks.reconciler,
        ONLINE_DEPLOYMENT.name: DeploymentReconciler(
            resources, assembly, fleet, routing, clock, Counts(resources, fleet, machine.measure)
        ),
    }
    controller = Controller(
        reconcilers, clock, acting=lambda: leadership.held, all_keys=lambda: _all_keys(resources, outside.engine)
    )
    leadership = Leadership(outside.store, clock, identity(settings), controller.enqueue_all)
    leading = lambda: leadership.held  # noqa: E731
    watch = Watch(outside.engine, controller.enqueue)
    services = Services(
        resources=resources,
        endpoints=endpoints,
        deployments=deployments,
        rollouts=Rollouts(resources),
        rollbacks=Rollbacks(resources, endpoints, deployments, routing),
        golden=golden,
        golden_recorder=GoldenRecorder(resources, tapes, clock),
        shadows=shadows,
        contracts=Contracts(resources),
        webhooks=hooks.webhooks,
        autoscales=Autoscales(resources),
        computes=Computes(resources),
        batch_endpoints=BatchEndpoints(resources),
        batch_deployments=BatchDeployments(resources, preparation),
        jobs=Jobs(resources, data),
        job_files=JobFiles(resources, batches.places),
        datastores=datastores,
        storage=data,
        models=models,
        artifacts=outside.artifacts,
        environments=outside.environments,
        environment_collector=environment_collector(settings, resources, outside),
        environment_doctor=EnvironmentDoctor(resources, models, outside.artifacts, outside.environments),
        validations=Errands(Validation, rehearsal(settings, preparation, outside, builds), clock),
        compilations=Errands(Compilation, compiler(settings, models, outside, builds), clock),
        fleet=fleet,
        records=Records(settings.collected_folder),
        inspector=inspector,
        windows=meter,
        minutes=Minutes(resources, meter, clock),
        tapes=tapes,
        gateway=outside.gateway,
        mlflow=outside.mlflow,
        readiness=Readiness(checks(outside.store, outside.gateway, leadership)),
        token=token,
        home=str(home),
        host=settings.host,
        max_blob_bytes=_MAX_BLOB_BYTES,
        started_at=clock.now(),
        now=clock.now,
        leading=leading,
        shut_down=shut_down,
    )
    return Platform(
        services=services,
        gateway=outside.gateway,
        parts=(
            routing,
            prober,
            EventFollower(outside.store, lambda event: _follow(controller, meter, event)),
            meter,
            tapes,
            shadows,
            leadership,
            controller,
            hooks.deliveries,
            watch,
            Waker(resources, outside.gateway, leading),
            Scaler(resources, fleet, outside.gateway, meter, clock, leading),
            services.validations,
            services.compilations,
            services.mlflow,
            services.environment_collector,
            record_keeper(settings, clock),
        ),
        closing=(
            batches.jobs.close,
            looks.close,
            stages.close,
            services.environment_doctor.close,
            services.inspector.close,
            builds.close,
            outside.images.close,
            outside.engine.close,
            models.close,
            outside.store.close,
        ),
    )


def _enqueue(controller: Controller, key: Key) -> None:
    """A deployment's autoscale comes and goes with it."""
    controller.enqueue(key)
    if key.kind == ONLINE_DEPLOYMENT.name:
        controller.enqueue(Key(AUTOSCALE.name, key.name))


def _follow(controller: Controller, meter: Meter, event: Event) -> None:
    """What another control plane wrote concerns this one too: the controller if it leads."""
    meter.note(event)
    _enqueue(controller, Key(event.kind, event.name))


def _all_keys(resources: Resources, engine: Engine) -> Iterable[Key]:
    """Everything that may need work: all resources, and the deployments of all processes that are found."""
    for resource in (r for kind in _KINDS for r in resources.list(kind)):
        yield resource.key
    for scaled in (*resources.list(AUTOSCALE), *resources.list(ONLINE_DEPLOYMENT)):
        yield Key(AUTOSCALE.name, scaled.name)
    for process in engine.inspect():
        if process.name.startswith("job."):
            yield Key(JOB.name, process.name.removeprefix("job.").rpartition(".")[0])
        name = parse_instance_name(process.name)
        if name is not None:
            yield Key(ONLINE_DEPLOYMENT.name, f"{name.endpoint}/{name.deployment}")

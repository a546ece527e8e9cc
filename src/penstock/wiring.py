"""Puts the platform together."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import psutil

from penstock.api.readiness import Readiness, checks
from penstock.api.services import Services
from penstock.control.clock import SystemClock
from penstock.control.controller import Controller, Reconciler
from penstock.control.events import EventFollower
from penstock.control.lease import Leadership
from penstock.control.resources import Resources
from penstock.domain.compilation import Compilation
from penstock.domain.contract import CONTRACT
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.events import Event
from penstock.domain.instance import parse_instance_name
from penstock.domain.resource import Key
from penstock.domain.validation import Validation
from penstock.engines.base import Engine
from penstock.environments.base import BuiltEnvironment
from penstock.gateway.haproxy import HaproxyGateway
from penstock.online import machine
from penstock.online.assembly import Assembly, Defaults
from penstock.online.background import Background
from penstock.online.compiler import Compiler
from penstock.online.contract_files import ContractFiles
from penstock.online.contract_reconciler import ContractReconciler
from penstock.online.contracts import Contracts
from penstock.online.counts import Counts
from penstock.online.deployment_reconciler import DeploymentReconciler
from penstock.online.deployments import Deployments
from penstock.online.endpoint_reconciler import EndpointReconciler
from penstock.online.endpoints import Endpoints
from penstock.online.environment_collector import EnvironmentCollector
from penstock.online.environment_doctor import EnvironmentDoctor
from penstock.online.errands import Errands
from penstock.online.fleet import Fleet, Places
from penstock.online.inspector import Inspector
from penstock.online.keys import Keyring
from penstock.online.meter import Meter
from penstock.online.minutes import Minutes
from penstock.online.models import Models
from penstock.online.preparation import Preparation
from penstock.online.probes import Prober
from penstock.online.record_keeper import RecordKeeper
from penstock.online.rehearsal import Rehearsal
from penstock.online.routing import Routing
from penstock.online.scaler import Scaler
from penstock.online.tapes import DeploymentTapes
from penstock.online.waker import Waker
from penstock.online.watch import Watch
from penstock.outside import Outside, connect, identity, own_environments
from penstock.registry.files import MlflowFiles
from penstock.registry.known import KnownVersions
from penstock.registry.mlflow import MlflowRegistry
from penstock.settings import Settings
from penstock.telemetry.records import Records

_MEMORY_SHARE = 0.8  # of the host's memory, the limit of an instance that sets none
_MAX_BLOB_BYTES = 64 * 2**30

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
    resources = Resources(outside.store, clock, lambda key: controller.enqueue(key))  # noqa: PLW0108 - made below
    places = Places(run=settings.run_folder, logs=home / "logs" / "instances", collected=settings.collected_folder)
    prober = Prober(lambda name: watch.changed(name))  # noqa: PLW0108 - made below
    contract_files = ContractFiles(resources, places)
    fleet = Fleet(outside.engine, outside.gateway, prober, places, clock, contract_files)
    routing = Routing(resources, fleet, outside.gateway)
    keyring = Keyring(home / "secrets" / "endpoints")
    models = _models(home, outside)
    preparation = Preparation(resources, models, outside.artifacts, outside.environments, outside.images)
    builds: Background[BuiltEnvironment] = Background("build")
    defaults = _defaults(settings)
    assembly = Assembly(preparation, outside.environments, builds, home / "apps", places, defaults)
    reconcilers: Mapping[str, Reconciler] = {
        ONLINE_ENDPOINT.name: EndpointReconciler(resources, keyring, routing, clock),
        CONTRACT.name: ContractReconciler(resources, contract_files, preparation, clock),
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
    meter, tapes = Meter(outside.gateway, places, clock), DeploymentTapes(fleet, clock)
    services = Services(
        resources=resources,
        endpoints=Endpoints(resources, keyring, routing),
        deployments=Deployments(resources, preparation),
        contracts=Contracts(resources),
        models=models,
        artifacts=outside.artifacts,
        environments=outside.environments,
        environment_collector=_collector(settings, resources, outside),
        environment_doctor=EnvironmentDoctor(resources, models, outside.artifacts, outside.environments),
        validations=Errands(Validation, _rehearsal(settings, preparation, outside, builds), clock),
        compilations=Errands(Compilation, _compiler(settings, models, outside, builds), clock),
        fleet=fleet,
        records=Records(settings.collected_folder),
        inspector=Inspector(resources, fleet, outside.gateway, clock),
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
            leadership,
            controller,
            watch,
            Waker(resources, outside.gateway, leading),
            Scaler(resources, fleet, outside.gateway, meter, clock, leading),
            services.validations,
            services.compilations,
            services.mlflow,
            services.environment_collector,
            _record_keeper(settings, clock),
        ),
        closing=(
            services.environment_doctor.close,
            services.inspector.close,
            builds.close,
            outside.images.close,
            outside.engine.close,
            models.close,
            outside.store.close,
        ),
    )


def _models(home: Path, outside: Outside) -> Models:
    registry, files = MlflowRegistry(outside.registry), MlflowFiles(outside.registry)
    return Models(registry, files, outside.artifacts, KnownVersions(home / "registry"))


def _collector(settings: Settings, resources: Resources, outside: Outside) -> EnvironmentCollector:
    return EnvironmentCollector(
        outside.environments,
        resources,
        settings.home / "apps",
        lambda: own_environments(settings, outside.environments),
        timedelta(days=settings.environment_days) if settings.environment_days > 0 else None,
    )


def _record_keeper(settings: Settings, clock: SystemClock) -> RecordKeeper:
    keep = timedelta(days=settings.collected_days) if settings.collected_days > 0 else None
    return RecordKeeper(settings.collected_folder, keep, clock.now)


def _rehearsal(
    settings: Settings, preparation: Preparation, outside: Outside, builds: Background[BuiltEnvironment]
) -> Rehearsal:
    """What validations run on: the same parts as deployments, with folders of their own."""
    folder, defaults = settings.home / "validations", _defaults(settings)
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


def _compiler(settings: Settings, models: Models, outside: Outside, builds: Background[BuiltEnvironment]) -> Compiler:
    defaults = _defaults(settings)
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


def _follow(controller: Controller, meter: Meter, event: Event) -> None:
    """What another control plane wrote concerns this one too: the controller if it leads."""
    meter.note(event)
    controller.enqueue(Key(event.kind, event.name))


def _all_keys(resources: Resources, engine: Engine) -> Iterable[Key]:
    """Everything that may need work: all resources, and the deployments of all processes that are found."""
    for resource in (*resources.list(ONLINE_ENDPOINT), *resources.list(ONLINE_DEPLOYMENT), *resources.list(CONTRACT)):
        yield resource.key
    for process in engine.inspect():
        name = parse_instance_name(process.name)
        if name is not None:
            yield Key(ONLINE_DEPLOYMENT.name, f"{name.endpoint}/{name.deployment}")


def _defaults(settings: Settings) -> Defaults:
    memory = settings.instance_memory_bytes or int(psutil.virtual_memory().total * _MEMORY_SHARE)
    return Defaults(
        base_environment={name: settings.environ[name] for name in _INHERITED if name in settings.environ},
        memory_bytes=memory,
        max_body_bytes=settings.max_body_bytes,
        log_bytes=settings.log_bytes,
    )

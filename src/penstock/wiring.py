"""Puts the platform together: the only place that names implementations."""

import hashlib
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import psutil

from penstock.api.services import Services
from penstock.artifacts.files import FileArtifacts
from penstock.control.clock import SystemClock
from penstock.control.controller import Controller, Reconciler
from penstock.control.events import EventFollower
from penstock.control.lease import Leadership
from penstock.control.resources import Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.errors import unavailable
from penstock.domain.events import Event
from penstock.domain.instance import parse_instance_name
from penstock.domain.resource import Key
from penstock.engines.local import LocalEngine
from penstock.environments.base import BuiltEnvironment
from penstock.environments.uv import UvEnvironments
from penstock.gateway.haproxy import GatewaySettings, HaproxyGateway
from penstock.online.assembly import Assembly, Defaults
from penstock.online.background import Background
from penstock.online.deployment_reconciler import DeploymentReconciler
from penstock.online.deployments import Deployments
from penstock.online.endpoint_reconciler import EndpointReconciler
from penstock.online.endpoints import Endpoints
from penstock.online.fleet import Fleet, Places
from penstock.online.keys import Keyring
from penstock.online.models import Models
from penstock.online.preparation import Preparation
from penstock.online.probes import Prober
from penstock.online.routing import Routing
from penstock.online.watch import Watch
from penstock.registry.files import MlflowFiles
from penstock.registry.known import KnownVersions
from penstock.registry.mlflow import MlflowRegistry
from penstock.registry.rest import MlflowRest
from penstock.settings import Settings
from penstock.store.base import Store
from penstock.store.sql import open_store

_MEMORY_SHARE = 0.8  # of the host's memory, the limit of an instance that sets none
_MAX_BLOB_BYTES = 64 * 2**30
_STOP = timedelta(seconds=10)

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


@dataclass(frozen=True, kw_only=True)
class Platform:
    """All running parts, in the order in which they start."""

    services: Services
    store: Store
    gateway: HaproxyGateway
    routing: Routing
    prober: Prober
    watch: Watch
    builds: Background[BuiltEnvironment]
    models: Models
    follower: EventFollower
    controller: Controller
    leadership: Leadership

    def start(self) -> None:
        """Raises `unavailable` if the store, or a port of the gateway, cannot be had."""
        self.routing.start()
        self.prober.start()
        self.follower.start()
        self.controller.start()
        self.leadership.start()
        self.watch.start()

    def stop(self) -> None:
        """End the control plane's own threads; gateway and instances go on."""
        self.watch.stop()
        self.controller.stop(_STOP)
        self.leadership.stop(_STOP)
        self.follower.stop(_STOP)
        self.prober.stop()
        self.builds.close()
        self.models.close()
        self.routing.stop()
        self.store.close()


@dataclass(frozen=True, kw_only=True)
class _Outside:
    """What stands between the platform and the systems outside it."""

    store: Store
    engine: LocalEngine
    gateway: HaproxyGateway
    artifacts: FileArtifacts
    registry: MlflowRest
    environments: UvEnvironments


def build(settings: Settings, token: str, shut_down: Callable[[], None]) -> Platform:
    """The platform for these settings; nothing runs yet. `shut_down` is called when a client asks for the end."""
    home, clock, outside = settings.home, SystemClock(), _outside(settings)
    resources = Resources(outside.store, clock, lambda key: controller.enqueue(key))  # noqa: PLW0108 - made below
    places = Places(run=settings.run_folder, logs=home / "logs" / "instances")
    prober = Prober(lambda name: watch.changed(name))  # noqa: PLW0108 - made below
    fleet = Fleet(outside.engine, outside.gateway, prober, places, clock)
    routing = Routing(resources, fleet, outside.gateway)
    keyring = Keyring(home / "secrets" / "endpoints")
    models = Models(
        MlflowRegistry(outside.registry),
        MlflowFiles(outside.registry),
        outside.artifacts,
        KnownVersions(home / "registry"),
    )
    preparation = Preparation(resources, models, outside.artifacts, outside.environments)
    builds: Background[BuiltEnvironment] = Background("build")
    defaults = _defaults(settings)
    assembly = Assembly(preparation, outside.environments, builds, home / "apps", places, defaults)
    reconcilers: Mapping[str, Reconciler] = {
        ONLINE_ENDPOINT.name: EndpointReconciler(resources, keyring, routing, clock),
        ONLINE_DEPLOYMENT.name: DeploymentReconciler(
            resources, assembly, fleet, routing, clock, memory_bytes=defaults.memory_bytes
        ),
    }
    controller = Controller(
        reconcilers, clock, acting=lambda: leadership.held, all_keys=lambda: _all_keys(resources, outside.engine)
    )
    leadership = Leadership(outside.store, clock, _identity(settings), controller.enqueue_all)
    watch = Watch(outside.engine, controller.enqueue)
    services = Services(
        resources=resources,
        endpoints=Endpoints(resources, keyring, routing),
        deployments=Deployments(resources, preparation),
        models=models,
        artifacts=outside.artifacts,
        environments=outside.environments,
        fleet=fleet,
        gateway=outside.gateway,
        token=token,
        home=str(home),
        host=settings.host,
        max_blob_bytes=_MAX_BLOB_BYTES,
        started_at=clock.now(),
        now=clock.now,
        leading=lambda: leadership.held,
        shut_down=shut_down,
    )
    return Platform(
        services=services,
        store=outside.store,
        gateway=outside.gateway,
        routing=routing,
        prober=prober,
        watch=watch,
        builds=builds,
        models=models,
        follower=EventFollower(outside.store, lambda event: _follow(controller, event)),
        controller=controller,
        leadership=leadership,
    )


def _outside(settings: Settings) -> _Outside:
    home, owner = settings.home, str(settings.home)
    return _Outside(
        store=open_store(settings.database),
        engine=LocalEngine(owner),
        gateway=HaproxyGateway(_gateway_settings(settings)),
        artifacts=FileArtifacts(home / "artifacts"),
        registry=MlflowRest(_not_started),
        environments=UvEnvironments(
            home / "environments",
            environ=settings.environ,
            owner=owner,
            curated_file=home / "curated.yml",
            python_policy=settings.python_policy,
        ),
    )


def _not_started() -> str:
    raise unavailable("the model registry (MLflow) is not started")


def _follow(controller: Controller, event: Event) -> None:
    """What another control plane wrote concerns this one too, if it leads."""
    controller.enqueue(Key(event.kind, event.name))


def _all_keys(resources: Resources, engine: LocalEngine) -> Iterable[Key]:
    """Everything that may need work: all resources, and the deployments of all processes that are found."""
    for resource in (*resources.list(ONLINE_ENDPOINT), *resources.list(ONLINE_DEPLOYMENT)):
        yield resource.key
    for process in engine.inspect():
        name = parse_instance_name(process.name)
        if name is not None:
            yield Key(ONLINE_DEPLOYMENT.name, f"{name.endpoint}/{name.deployment}")


def _gateway_settings(settings: Settings) -> GatewaySettings:
    return GatewaySettings(
        binary=settings.haproxy,
        host=settings.host,
        port=settings.gateway_port,
        folder=settings.home / "gateway",
        run_folder=settings.run_folder,
        max_body_bytes=settings.max_body_bytes,
        retry_body_bytes=settings.retry_body_bytes,
        owner=str(settings.home),
    )


def _defaults(settings: Settings) -> Defaults:
    memory = settings.instance_memory_bytes or int(psutil.virtual_memory().total * _MEMORY_SHARE)
    return Defaults(
        base_environment={name: settings.environ[name] for name in _INHERITED if name in settings.environ},
        memory_bytes=memory,
        max_body_bytes=settings.max_body_bytes,
        log_bytes=settings.log_bytes,
    )


def _identity(settings: Settings) -> str:
    """The same for every process of this home on this host, so that a restart need not wait for its own lease."""
    digest = hashlib.sha256(str(settings.home).encode()).hexdigest()[:12]
    return f"{socket.gethostname()}/{digest}"

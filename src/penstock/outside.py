"""The systems outside of the platform, each by what speaks to it; the only place that names implementations."""

import hashlib
import shutil
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from penstock.artifacts.files import FileArtifacts
from penstock.containers.images import Images
from penstock.containers.tool import Tool, find_tool
from penstock.control.lease import LEASE
from penstock.domain.environment import Requirements
from penstock.domain.errors import unavailable
from penstock.engines.container import ContainerEngine
from penstock.engines.local import LocalEngine
from penstock.environments.base import Build
from penstock.environments.interpreters import PythonRules
from penstock.environments.uv import UvEnvironments
from penstock.gateway.haproxy import GatewaySettings, HaproxyGateway
from penstock.preparation.container_images import ContainerImages
from penstock.registry.rest import MlflowRest
from penstock.registry.server import MlflowServer
from penstock.registry.settings import MlflowSettings
from penstock.settings import Settings
from penstock.storage.anywhere import Anywhere, Asset, Connect
from penstock.storage.base import Storage
from penstock.store.base import Fence, Store
from penstock.store.ledger import Ledger
from penstock.store.sql import open_store


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What stands between the platform and the systems outside it."""

    store: Store
    ledger: Ledger
    engine: ContainerEngine
    images: ContainerImages
    gateway: HaproxyGateway
    artifacts: FileArtifacts
    mlflow: MlflowServer
    registry: MlflowRest
    environments: UvEnvironments


def connect(settings: Settings) -> Outside:
    """All of them for these settings; none is started yet. The store is fenced with this home's lease."""
    home, owner = settings.home, str(settings.home)
    tool = cache(lambda: container_tool(settings))
    engine = ContainerEngine(
        LocalEngine(owner), tool, settings.container_folder, owner=owner, log_bytes=settings.log_bytes
    )
    environments = open_environments(settings)
    artifacts = FileArtifacts(home / "artifacts")
    again = cache(environments.retry)  # what kept MLflow's environment from being built is tried again at each start
    mlflow = MlflowServer(_mlflow_settings(settings), engine, lambda: _mlflow_command(settings, environments, again))
    store = open_store(settings.database, Fence(lease=LEASE, holder=identity(settings)))
    return Outside(
        store=store,
        ledger=store.ledger(),
        engine=engine,
        images=ContainerImages(
            tool,
            lambda: Images(tool(), home / "images", settings.environ),
            artifacts,
            home / "images" / "contexts",
            environments.log,
        ),
        gateway=HaproxyGateway(_gateway_settings(settings)),
        artifacts=artifacts,
        mlflow=mlflow,
        registry=MlflowRest(mlflow.url, mlflow.socket),
        environments=environments,
    )


def storage(connect: Connect, asset: Asset) -> Storage:
    """Data wherever it lies, given what opens datastores and what data assets refer to."""
    return Anywhere(connect, asset)


def identity(settings: Settings) -> str:
    """The holder of the lease: the same for every control plane of this home on this host, of which one acts at a
    time, so that the next one need not wait for it."""
    digest = hashlib.sha256(str(settings.home).encode()).hexdigest()[:12]
    return f"{socket.gethostname()}/{digest}"


def open_environments(settings: Settings) -> UvEnvironments:
    """The environments in the home folder, for whoever needs nothing else."""
    home = settings.home
    return UvEnvironments(
        home / "environments",
        environ=settings.environ,
        owner=str(home),
        curated_file=home / "curated.yml",
        pythons=PythonRules(downloads=settings.python_downloads, policy=settings.python_policy),
    )


def container_tool(settings: Settings) -> Tool:
    """Podman or docker of this machine. Raises `unavailable` if it has none that works."""
    return find_tool(settings.environ, settings.container_tool, settings.container_network)


def own_environments(settings: Settings, environments: UvEnvironments) -> Collection[str]:
    """The environment of the MLflow server, if the platform makes it."""
    return () if settings.mlflow is not None else (_mlflow_build(settings, environments).fingerprint,)


def _mlflow_command(settings: Settings, environments: UvEnvironments, again: Callable[[str], None]) -> Path:
    """The program that the settings name, else that of an environment made for it."""
    if settings.mlflow is None:
        build = _mlflow_build(settings, environments)
        again(build.fingerprint)
        return environments.ensure(build).python.with_name("mlflow")
    path = shutil.which(settings.mlflow)
    if path is None:
        raise unavailable(f"PENSTOCK_MLFLOW={settings.mlflow} is not a program")
    return Path(path)


def _mlflow_build(settings: Settings, environments: UvEnvironments) -> Build:
    return environments.plan(Requirements(packages=_mlflow_settings(settings).requirements()))


def _mlflow_settings(settings: Settings) -> MlflowSettings:
    return MlflowSettings(
        folder=settings.home / "mlflow",
        run_folder=settings.run_folder,
        log=settings.home / "logs" / "mlflow.log",
        log_bytes=settings.log_bytes,
        database_url=settings.mlflow_database_url,
        artifacts=settings.mlflow_artifacts,
        environ=settings.environ,
    )


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

"""What every part of the platform stands on."""

from collections.abc import Callable
from dataclasses import dataclass

import psutil

from penstock.control.clock import SystemClock
from penstock.control.resources import Resources
from penstock.environments.base import BuiltEnvironment
from penstock.outside import Outside
from penstock.preparation.background import Background
from penstock.preparation.defaults import Defaults
from penstock.preparation.models import Models
from penstock.preparation.preparation import Preparation
from penstock.registry.files import MlflowFiles
from penstock.registry.known import KnownVersions
from penstock.registry.mlflow import MlflowRegistry
from penstock.settings import Settings

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


@dataclass(frozen=True, kw_only=True)
class Ground:
    """`leading` tells whether this control plane acts, `builds` are those of environments."""

    settings: Settings
    clock: SystemClock
    outside: Outside
    resources: Resources
    leading: Callable[[], bool]
    models: Models
    preparation: Preparation
    builds: Background[BuiltEnvironment]
    defaults: Defaults


def ground(settings: Settings, outside: Outside, resources: Resources, leading: Callable[[], bool]) -> Ground:
    registry, files = MlflowRegistry(outside.registry), MlflowFiles(outside.registry)
    models = Models(registry, files, outside.artifacts, KnownVersions(settings.home / "registry"))
    return Ground(
        settings=settings,
        clock=SystemClock(),
        outside=outside,
        resources=resources,
        leading=leading,
        models=models,
        preparation=Preparation(resources, models, outside.artifacts, outside.environments, outside.images),
        builds=Background("build"),
        defaults=_defaults(settings),
    )


def _defaults(settings: Settings) -> Defaults:
    memory = settings.instance_memory_bytes or int(psutil.virtual_memory().total * _MEMORY_SHARE)
    return Defaults(
        base_environment={name: settings.environ[name] for name in _INHERITED if name in settings.environ},
        memory_bytes=memory,
        max_body_bytes=settings.max_body_bytes,
        log_bytes=settings.log_bytes,
    )

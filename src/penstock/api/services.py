"""What the API calls, and who is calling it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Body, Depends, Header, Request

from penstock.access import Access
from penstock.api.readiness import Readiness
from penstock.artifacts.base import Artifacts
from penstock.batch.batch_deployments import BatchDeployments
from penstock.batch.batch_endpoints import BatchEndpoints
from penstock.batch.computes import Computes
from penstock.batch.job_files import JobFiles
from penstock.batch.jobs import Jobs
from penstock.control.resources import Resources
from penstock.domain.compilation import Compilation, CompilationRequest
from penstock.domain.errors import Code, PenstockError, invalid
from penstock.domain.validation import Validation, ValidationRequest
from penstock.environments.base import Environments
from penstock.gateway.base import Gateway
from penstock.online.autoscales import Autoscales
from penstock.online.contracts import Contracts
from penstock.online.deployments import Deployments
from penstock.online.endpoints import Endpoints
from penstock.online.environment_collector import EnvironmentCollector
from penstock.online.environment_doctor import EnvironmentDoctor
from penstock.online.errands import Errands
from penstock.online.fleet import Fleet
from penstock.online.golden import Golden
from penstock.online.golden_recorder import GoldenRecorder
from penstock.online.inspector import Inspector
from penstock.online.minutes import Minutes
from penstock.online.rollbacks import Rollbacks
from penstock.online.rollouts import Rollouts
from penstock.online.shadow import Shadows
from penstock.online.webhooks import Webhooks
from penstock.preparation.datastores import Datastores
from penstock.preparation.models import Models
from penstock.registry.server import MlflowServer
from penstock.storage.base import Storage
from penstock.telemetry.records import Records
from penstock.telemetry.series import Windows
from penstock.telemetry.tape import Tapes

_ACTOR = re.compile(r"[^\x20-\x7e]")
_LONGEST_ACTOR = 100


@dataclass(frozen=True, kw_only=True)
class Services:
    """The platform behind the API. `leading` tells whether this control plane acts, `shut_down` ends it."""

    resources: Resources
    endpoints: Endpoints
    deployments: Deployments
    contracts: Contracts
    rollouts: Rollouts
    rollbacks: Rollbacks
    shadows: Shadows
    webhooks: Webhooks
    golden: Golden
    golden_recorder: GoldenRecorder
    autoscales: Autoscales
    computes: Computes
    batch_endpoints: BatchEndpoints
    batch_deployments: BatchDeployments
    jobs: Jobs
    job_files: JobFiles
    datastores: Datastores
    storage: Storage
    models: Models
    artifacts: Artifacts
    environments: Environments
    environment_collector: EnvironmentCollector
    environment_doctor: EnvironmentDoctor
    validations: Errands[ValidationRequest, Validation]
    compilations: Errands[CompilationRequest, Compilation]
    fleet: Fleet
    records: Records
    inspector: Inspector
    windows: Windows
    minutes: Minutes
    tapes: Tapes
    gateway: Gateway
    mlflow: MlflowServer
    readiness: Readiness
    token: str
    home: str
    host: str
    max_blob_bytes: int
    started_at: datetime
    now: Callable[[], datetime]
    leading: Callable[[], bool]
    shut_down: Callable[[], None]

    @property
    def gateway_url(self) -> str:
        return f"http://{self.host}:{self.gateway.port}"


def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


def actor(
    request: Request,
    authorization: Annotated[str | None, Header()] = None,
    x_penstock_actor: Annotated[str | None, Header()] = None,
) -> str:
    """Who calls, for the event log.

    Raises `denied` unless the token is right (compared in constant time), `invalid` for URLs that no database takes.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not Access(services(request).token).by_token(token):
        raise PenstockError(
            Code.DENIED, "no or wrong token: send `Authorization: Bearer TOKEN`; clients read it from PENSTOCK_TOKEN"
        )
    if "\0" in request.scope["path"] or "%00" in request.url.query:
        raise invalid("the URL holds a NUL character, which no name does")
    return _ACTOR.sub("?", x_penstock_actor or "admin")[:_LONGEST_ACTOR]


def precondition(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """The generation in `If-Match`, if any."""
    if if_match is None:
        return None
    text = if_match.strip().strip('"')
    if not text.isdigit():
        raise invalid(f"If-Match: {if_match!r} is not a generation (a whole number)")
    return int(text)


Platform = Annotated[Services, Depends(services)]
Actor = Annotated[str, Depends(actor)]
Generation = Annotated[int | None, Depends(precondition)]
JsonBody = Annotated[dict[str, Any], Body()]

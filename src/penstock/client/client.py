"""The typed client of the platform: one attribute per noun. The CLI is built on it, and programs use it directly."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType

from penstock.client.address import find
from penstock.client.artifacts import Artifacts
from penstock.client.autoscales import Autoscales
from penstock.client.batch_deployments import BatchDeployments
from penstock.client.batch_endpoints import BatchEndpoints
from penstock.client.collections import Collections
from penstock.client.compilations import Compilations
from penstock.client.computes import Computes
from penstock.client.contracts import Contracts
from penstock.client.data import DataAssets
from penstock.client.datastores import Datastores
from penstock.client.deployments import OnlineDeployments
from penstock.client.endpoints import OnlineEndpoints
from penstock.client.environments import Environments
from penstock.client.golden import GoldenClient
from penstock.client.jobs import Jobs
from penstock.client.models import Models
from penstock.client.observations import Observations
from penstock.client.resources import Answer, AnyRemote, understood, understood_items
from penstock.client.rollbacks import Rollbacks
from penstock.client.rollouts import Rollouts
from penstock.client.shadows import Shadows
from penstock.client.transport import OnWaiting, Transport
from penstock.client.validations import Validations
from penstock.client.waiting import OnProgress, wait_gone, wait_ready
from penstock.client.webhooks import Webhooks
from penstock.domain.errors import invalid
from penstock.domain.events import Event
from penstock.settings import from_environment

_TIMEOUT = timedelta(hours=1)


class PlatformStatus(Answer):
    """What runs, and how much of it."""

    version: str
    home: str
    started_at: datetime
    gateway_url: str
    gateway_alive: bool
    leader: bool
    control_planes: str = ""  # of the home: who leads, who follows
    endpoints: int
    deployments: int
    instances: int
    mlflow: str = ""


class Events:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, *, after: int | None = None, kind: str | None = None, name: str | None = None, limit: int | None = None
    ) -> list[Event]:
        """The newest events, or those after an id, oldest first.

        Of everything, or of one resource: an endpoint's deployments are included, `fraud/blue` is a deployment.
        """
        query = {"after": after, "kind": kind, "name": name, "limit": limit}
        return understood_items(Event, self._transport.get("/events", query))


class Client:
    """A connection to one platform, to be closed or used in a `with`.

    Without arguments: the platform that PENSTOCK_URL and PENSTOCK_TOKEN name, else the one of the local home folder.
    Every call has a time limit and is tried again where the connection fails; while the platform says that something
    starts (its model registry), it is waited for, up to ten minutes, and `on_waiting` is told what for, time and again.
    All errors are PenstockError.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, on_waiting: OnWaiting = lambda _: None
    ) -> None:
        self._transport = Transport(find(url, token, from_environment()), on_waiting=on_waiting)
        self.online_endpoints = OnlineEndpoints(self._transport)
        self.online_deployments = OnlineDeployments(self._transport)
        self.batch_endpoints = BatchEndpoints(self._transport)
        self.batch_deployments = BatchDeployments(self._transport)
        self.jobs = Jobs(self._transport)
        self.computes = Computes(self._transport)
        self.data = DataAssets(self._transport)
        self.datastores = Datastores(self._transport)
        self.collections = Collections(self._transport)
        self.contracts = Contracts(self._transport)
        self.rollbacks = Rollbacks(self._transport)
        self.rollouts = Rollouts(self._transport)
        self.shadows = Shadows(self._transport)
        self.golden = GoldenClient(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.autoscales = Autoscales(self._transport)
        self.artifacts = Artifacts(self._transport)
        self.validations = Validations(self._transport)
        self.compilations = Compilations(self._transport)
        self.models = Models(self._transport, self.artifacts)
        self.environments = Environments(self._transport)
        self.observations = Observations(self._transport)
        self.events = Events(self._transport)

    @property
    def url(self) -> str:
        """Where the platform is."""
        return self._transport.address.url

    def status(self) -> PlatformStatus:
        return understood(PlatformStatus, self._transport.get("/status"))

    def wait(
        self,
        kind: str,
        name: str,
        generation: int,
        timeout: timedelta = _TIMEOUT,
        on_progress: OnProgress = lambda _: None,
    ) -> AnyRemote:
        """The resource (`"online-deployment"`, `"fraud/blue"`), once this generation of it is ready.

        `on_progress` is called with each condition that changes. Raises `failed` with the reason and, in
        `details`, the user's traceback or the build's log; `conflict` if it was changed again meanwhile;
        `not_found` if it was deleted; `unavailable` after `timeout`.
        """
        return wait_ready(self._fetch(kind, name), generation, timeout, on_progress)

    def wait_gone(
        self, resource: AnyRemote, timeout: timedelta = _TIMEOUT, on_progress: OnProgress = lambda _: None
    ) -> None:
        """Return once `resource`, which is being deleted, is gone."""
        wait_gone(self._fetch(resource.kind, resource.name), resource, timeout, on_progress)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fetch(self, kind: str, name: str) -> Callable[[], AnyRemote]:
        get = {
            "online-endpoint": self.online_endpoints.get,
            "online-deployment": self.online_deployments.get,
            "batch-endpoint": self.batch_endpoints.get,
            "batch-deployment": self.batch_deployments.get,
            "compute": self.computes.get,
            "datastore": self.datastores.get,
            "contract": self.contracts.get,
            "webhook": self.webhooks.get,
            "autoscale": self.autoscales.get,
        }.get(kind)
        if get is None:
            raise invalid(f"there is nothing to wait for with a {kind!r}")
        return lambda: get(*name.split("/", 1))

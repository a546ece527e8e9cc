"""From endpoints, deployments and instances to the gateway's routing table. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from penstock.domain import sticky
from penstock.domain.autoscale import Autoscale
from penstock.domain.compat import is_strict
from penstock.domain.deployment import OnlineDeployment, OnlineDeploymentStatus, RequestSettings
from penstock.domain.endpoint import OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.environment import USUAL_ROUTES, Environment, InferenceConfig
from penstock.domain.instance import Instance, InstanceName, Phase
from penstock.domain.resource import Resource, Truth
from penstock.gateway.table import MAX_CONCURRENCY, Backend, Hold, Route, RoutingTable, Server

Endpoint = Resource[OnlineEndpoint, OnlineEndpointStatus]
Deployment = Resource[OnlineDeployment, OnlineDeploymentStatus]

# Without max_concurrent_requests_per_instance an instance still works on one request at a time; a few more lie in
# its socket so that it never idles between two, and the others wait in the gateway.
_DEFAULT_CONCURRENCY = 4
_DEFAULT_QUEUE = 100
_BATCHES = 2  # that an instance is sent: the one that it works on, and the next one, so that it never waits for it

_MOST_HELD = 1000  # requests for one deployment that is asleep; each has a connection and a buffer in the gateway

_CORS = "AML_CORS_ORIGINS"  # Azure's inference server: the origins that browsers may call it from


def table(
    endpoints: Iterable[Endpoint],
    deployments: Iterable[Deployment],
    instances: Mapping[str, Sequence[Instance]],
    addresses: Mapping[InstanceName, str],
    holds: Mapping[str, Hold] = MappingProxyType({}),
) -> RoutingTable:
    """The table. `instances` are by deployment name (ENDPOINT/DEPLOYMENT); see `Server` for addresses. `holds` are of
    those deployments that may sleep.

    An endpoint that is being deleted has no route any more; a deployment keeps its backend until it is gone.
    """
    present = tuple(endpoints)
    wanted = tuple(deployments)
    strict = {e.name for e in present if is_strict(e.spec.properties)}
    open_to_browsers = {d.name.partition("/")[0] for d in wanted if d.spec.environment_variables.get(_CORS)} - strict
    return RoutingTable(
        routes=tuple(
            _route(e, cors=e.name in open_to_browsers)
            for e in present
            if e.deleting_since is None and e.status.keys is not None
        ),
        backends=tuple(
            _resting(
                _backend(d, instances.get(d.name, ()), addresses, strict=d.name.partition("/")[0] in strict),
                d,
                holds.get(d.name),
            )
            for d in wanted
        ),
    )


def _route(endpoint: Endpoint, *, cors: bool) -> Route:
    keys = endpoint.status.keys
    return Route(
        endpoint=endpoint.name,
        keys=keys.model_dump() if keys is not None else {},
        traffic={name: percent for name, percent in endpoint.spec.traffic.items() if percent},
        mirror=endpoint.spec.shadows,
        sticky=sticky.caller(endpoint.spec.properties),
        cors=cors,
    )


def _backend(
    deployment: Deployment, instances: Sequence[Instance], addresses: Mapping[InstanceName, str], *, strict: bool
) -> Backend:
    endpoint, _, name = deployment.name.partition("/")
    concurrency, queue, wait = limits(deployment.spec.request_settings)
    return Backend(
        endpoint=endpoint,
        deployment=name,
        servers=tuple(
            Server(
                name=str(i.name),
                address=addresses[i.name],
                draining=i.draining_since is not None,
                concurrency=_own_concurrency(deployment.spec.request_settings, i),
            )
            for i in instances
            if i.phase is not Phase.EXITED and (i.listening or i.draining_since is not None)
        ),
        request_timeout=timedelta(milliseconds=deployment.spec.request_settings.request_timeout_ms),
        concurrency=concurrency,
        queue_per_instance=queue,
        queue_wait=wait,
        scoring_path=scoring_path(deployment.spec),
        strict=strict or is_strict(deployment.spec.properties),
        own_server=_inference_config(deployment.spec) != USUAL_ROUTES,
    )


def hold_of(autoscale: Autoscale) -> Hold | None:
    """How requests are held for a deployment with this autoscale; None if it always has an instance."""
    least = min(capacity.min for capacity in (autoscale, *autoscale.profiles))
    return Hold(time=autoscale.hold_time, requests=_MOST_HELD) if least == 0 and autoscale.enabled else None


def _resting(backend: Backend, deployment: Deployment, hold: Hold | None) -> Backend:
    """`backend`, asleep if it may be and has no instance that takes requests."""
    if hold is None or any(not server.draining for server in backend.servers):
        return replace(backend, hold=hold)
    ready = deployment.status.condition("Ready")
    failure = ready.message if ready is not None and ready.truth is Truth.FALSE else ""
    return replace(backend, hold=hold, asleep=True, failure=failure)


def scoring_path(spec: OnlineDeployment) -> str:
    """Where the deployment's instances take requests."""
    return _inference_config(spec).scoring_route.path


def limits(settings: RequestSettings) -> tuple[int, int, timedelta]:
    """Requests at a time per instance, waiting requests per instance, and how long one may wait.

    With max_concurrent_requests_per_instance M given, Azure's rule holds: more than 2 x M x instances in flight is
    answered 429 (managed online endpoints, troubleshooting page).
    """
    wait = timedelta(milliseconds=settings.max_queue_wait_ms or settings.request_timeout_ms)
    given = settings.max_concurrent_requests_per_instance
    return (given, given, wait) if given is not None else (_DEFAULT_CONCURRENCY, _DEFAULT_QUEUE, wait)


def _own_concurrency(settings: RequestSettings, instance: Instance) -> int | None:
    """Requests at a time for an instance that takes many into one batch; None: as many as the deployment's others."""
    if settings.max_concurrent_requests_per_instance is not None or not instance.batch_requests:
        return None
    return max(_DEFAULT_CONCURRENCY, min(_BATCHES * instance.batch_requests, MAX_CONCURRENCY))


def _inference_config(spec: OnlineDeployment) -> InferenceConfig:
    config = spec.environment.inference_config if isinstance(spec.environment, Environment) else None
    return config or USUAL_ROUTES

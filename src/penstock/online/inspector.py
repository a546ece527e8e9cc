"""Asks the instances of deployments how they are: for metrics and for the doctor. What it means is in `diagnosis`."""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import psutil
from pydantic import ValidationError

from penstock.control.clock import Clock
from penstock.control.resources import Resources
from penstock.domain.deployment import (
    ONLINE_DEPLOYMENT,
    OnlineDeployment,
    OnlineDeploymentStatus,
    instances_meant,
)
from penstock.domain.errors import Code, PenstockError, not_found, unavailable
from penstock.domain.instance import Instance, Phase
from penstock.domain.observation import STAGES, Diagnosis, Evidence, Facts, InstanceLook, Look, Times, Trace
from penstock.domain.resource import Resource, provisioning_state
from penstock.gateway.base import Gateway
from penstock.online.diagnosis import diagnose
from penstock.online.exposition import Exposition, Sample, labelled, merged, parse
from penstock.online.fleet import Fleet
from penstock.online.instance_calls import ask
from penstock_worker import contract

Deployment = Resource[OnlineDeployment, OnlineDeploymentStatus]
T = TypeVar("T")

_SECONDS = 5.0  # for one page: an instance answers between two of its requests
_SCRAPE_SECONDS = 2.0  # for its metrics, which are asked for again and again
_PATIENCE_SECONDS = 12.0  # for all pages together
_AT_A_TIME = 16
_MOST_BYTES = 4 * 1024 * 1024
_UP = "penstock_instance_up"  # 1 for an instance whose metrics follow


class Inspector:
    """Calls may come from any thread. All of them end within seconds, whatever the instances do."""

    def __init__(self, resources: Resources, fleet: Fleet, gateway: Gateway, clock: Clock) -> None:
        self._resources = resources
        self._fleet = fleet
        self._gateway = gateway
        self._clock = clock
        self._pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="inspector")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def metrics(self) -> bytes:
        """The gateway's metrics and those of every instance, under the labels endpoint, deployment, instance."""
        instances = _serving(self._fleet.instances())
        pages = self._all([lambda i=i: self._metrics_of(i, _SCRAPE_SECONDS) for i in instances])
        parts: list[Exposition] = []
        for instance, page in zip(instances, pages, strict=True):
            name = instance.name
            labels = {"endpoint": name.endpoint, "deployment": name.deployment, "instance": str(name)}
            up = Sample(_UP, {}, 1.0 if page else 0.0)
            told = page or Exposition()
            whole = Exposition((up, *told.samples), {**told.types, _UP: "gauge"})
            parts.append(labelled(whole, labels))
        return self._gateway.metrics() + merged(parts).encode()

    def looks(self, endpoint: str = "", deployment: str = "") -> Sequence[Look]:
        """A look at each deployment, of all endpoints or of one."""
        deployments = self._deployments(endpoint, deployment)
        instances = _serving(self._fleet.instances())
        gateway = self._gateway_metrics()
        told = self._all([lambda i=i: self._look_at(i, gateway) for i in instances])
        found: list[Look] = []
        for each in deployments:
            owner, _, name = each.name.partition("/")
            mine = [
                look or _silent(instance, self._now())
                for instance, look in zip(instances, told, strict=True)
                if (instance.name.endpoint, instance.name.deployment) == (owner, name)
            ]
            found.append(_look(each, mine, gateway, len(instances)))
        return found

    def trace(self, endpoint: str, deployment: str, seconds: float) -> Look:
        """Have every instance trace its run() for so many seconds; the look from just before."""
        look = self._one(endpoint, deployment)
        asked = [
            lambda i=i: self._page(i, "POST", f"{contract.TRACE_ROUTE}?seconds={seconds:.1f}")
            for i in self._ready(endpoint, deployment)
        ]
        self._all(asked)
        return look

    def diagnose(self, endpoint: str, deployment: str, evidence: Evidence) -> Diagnosis:
        """What the evidence, this moment's look, the traces and the times of the last requests say together."""
        look = self._one(endpoint, deployment)
        first = {i.name: i for i in evidence.looks[0].instances}
        instances = self._ready(endpoint, deployment)
        traces = self._all([lambda i=i: self._trace_of(i) for i in instances])
        since = [
            before.answered if (before := first.get(str(i.name))) is not None and before.pid == i.pid else 0
            for i in instances
        ]
        spans = self._all([lambda i=i, n=n: self._spans(i, n) for i, n in zip(instances, since, strict=True)])
        whole = evidence.model_copy(
            update={"looks": (*evidence.looks, look), "traces": tuple(trace for trace in traces if trace)}
        )
        return diagnose(whole, [span for found in spans if found for span in found])

    def sample(self, endpoint: str, deployment: str) -> bytes:
        """The deployment's sample request. Raises `not_found` if it has none."""
        for instance in self._ready(endpoint, deployment):
            body = self._page(instance, "GET", contract.SAMPLE_ROUTE)
            if body is not None:
                return body
        raise not_found(
            f"deployment {deployment!r} has no sample request: put sample-request.json beside its scoring script, or "
            "give requests with --requests"
        )

    def _one(self, endpoint: str, deployment: str) -> Look:
        self._ready(endpoint, deployment)
        return self.looks(endpoint, deployment)[0]

    def _ready(self, endpoint: str, deployment: str) -> list[Instance]:
        self._resources.get(ONLINE_DEPLOYMENT, f"{endpoint}/{deployment}")
        found = [i for i in self._fleet.instances(endpoint, deployment) if i.phase is Phase.READY]
        if not found:
            raise unavailable(
                f"deployment {deployment!r} of endpoint {endpoint!r} has no instance that is ready; see "
                f"`penstock online-deployment get-logs -e {endpoint} -n {deployment}`"
            )
        return found

    def _deployments(self, endpoint: str, deployment: str) -> Sequence[Deployment]:
        if deployment:
            return [self._resources.get(ONLINE_DEPLOYMENT, f"{endpoint}/{deployment}")]
        return self._resources.list(ONLINE_DEPLOYMENT, f"{endpoint}/" if endpoint else "")

    def _look_at(self, instance: Instance, gateway: Exposition) -> InstanceLook | None:
        page = self._metrics_of(instance, _SECONDS)
        if page is None:
            return None
        facts = self._page(instance, "GET", contract.FACTS_ROUTE)
        name = str(instance.name)
        return InstanceLook(
            name=name,
            at=self._now(),
            pid=instance.pid,
            phase=instance.phase,
            answered=int(page.value("penstock_stage_seconds_count", stage="run")),
            refused=int(page.value("penstock_requests_refused_total")),
            failed=int(page.value("penstock_requests_failed_total")),
            rows=int(page.value("penstock_rows_total")),
            runs=int(page.value("penstock_batch_requests_count")),
            facts=None if facts is None else _understood(Facts, facts),
            stages={stage: _times(page, stage) for stage in STAGES},
            gateway_queue=gateway.value("haproxy_server_queue_time_average_seconds", server=name),
            gateway_connect=gateway.value("haproxy_server_connect_time_average_seconds", server=name),
            gateway_response=gateway.value("haproxy_server_response_time_average_seconds", server=name),
        )

    def _metrics_of(self, instance: Instance, seconds: float) -> Exposition | None:
        body = self._page(instance, "GET", contract.METRICS_ROUTE, seconds)
        return None if body is None else parse(body.decode(errors="replace"))

    def _trace_of(self, instance: Instance) -> Trace | None:
        body = self._page(instance, "GET", contract.TRACE_ROUTE)
        return None if body is None else _understood(Trace, body)

    def _spans(self, instance: Instance, since: int) -> list[dict[str, float]] | None:
        body = self._page(instance, "GET", f"{contract.STAGES_ROUTE}?since={since}")
        try:
            spans: list[Any] = json.loads(body or b"{}").get("spans", [])
            return [{stage: float(span[stage]) for stage in (*STAGES, "rows", "batch")} for span in spans]
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _page(self, instance: Instance, method: str, target: str, seconds: float = _SECONDS) -> bytes | None:
        address = self._fleet.address(instance.name)
        return ask(address, method, target, timeout=seconds, most_bytes=_MOST_BYTES)

    def _gateway_metrics(self) -> Exposition:
        try:
            return parse(self._gateway.metrics().decode(errors="replace"))
        except PenstockError as err:
            if err.code is not Code.UNAVAILABLE:
                raise
            return Exposition()

    def _all(self, calls: Iterable[Callable[[], T | None]]) -> list[T | None]:
        """What the calls give, in their order; None for those that take too long."""
        futures = [self._pool.submit(call) for call in calls]
        done, late = wait(futures, timeout=_PATIENCE_SECONDS)
        for future in late:
            future.cancel()
        return [future.result() if future in done else None for future in futures]

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _serving(instances: Iterable[Instance]) -> list[Instance]:
    return [i for i in instances if i.phase in (Phase.READY, Phase.UNREADY, Phase.DRAINING)]


def _silent(instance: Instance, at: float) -> InstanceLook:
    return InstanceLook(name=str(instance.name), at=at, pid=instance.pid, phase=instance.phase)


def _times(page: Exposition, stage: str) -> Times:
    count = page.value("penstock_stage_seconds_count", stage=stage)
    total = page.value("penstock_stage_seconds_sum", stage=stage)
    p50, p95, p99 = (page.value("penstock_stage_seconds", stage=stage, quantile=q) for q in ("0.5", "0.95", "0.99"))
    return Times(count=int(count), mean=total / count if count else 0.0, p50=p50, p95=p95, p99=p99)


def _look(deployment: Deployment, instances: Sequence[InstanceLook], gateway: Exposition, running: int) -> Look:
    endpoint, _, name = deployment.name.partition("/")
    settings = deployment.spec.request_settings
    return Look(
        endpoint=endpoint,
        deployment=name,
        state=provisioning_state(deployment),
        instance_count=instances_meant(deployment.spec, deployment.status),
        scaled=deployment.status.scaled_instances is not None,
        concurrency=settings.max_concurrent_requests_per_instance,
        timeout_ms=settings.request_timeout_ms,
        host_cores=psutil.cpu_count() or 1,
        host_instances=running,
        waiting=int(gateway.value("haproxy_backend_current_queue", proxy=f"{endpoint}.{name}")),
        instances=tuple(instances),
    )


def _understood(kind: type[Any], body: bytes) -> Any:
    """What an instance says of itself; None if it makes no sense."""
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        return None

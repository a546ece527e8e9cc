"""Puts the platform together of its parts, each of which is put together in a file of its own in `parts`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from penstock.api.readiness import Readiness, checks
from penstock.api.services import Services
from penstock.control.clock import SystemClock
from penstock.control.controller import Controller, Reconciler
from penstock.control.events import EventFollower
from penstock.control.lease import Leadership
from penstock.control.resources import Resources
from penstock.domain.events import Event
from penstock.domain.resource import Key
from penstock.domain.webhook import WEBHOOK
from penstock.gateway.haproxy import HaproxyGateway
from penstock.online.autoscales import Autoscales
from penstock.online.contracts import Contracts
from penstock.online.meter import Meter
from penstock.online.minutes import Minutes
from penstock.online.watch import Watch
from penstock.online.webhook_parts import WebhookParts, webhook_parts
from penstock.outside import connect, identity
from penstock.parts.batch import Batch, batch
from penstock.parts.errands import ErrandParts, errand_parts
from penstock.parts.ground import Ground, ground
from penstock.parts.online import Online, online
from penstock.parts.rollouts import RolloutParts, rollout_parts
from penstock.parts.upkeep import Upkeep, upkeep
from penstock.parts.work import all_keys, enqueue
from penstock.settings import Settings
from penstock.telemetry.records import Records

_MAX_BLOB_BYTES = 64 * 2**30


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


@dataclass(frozen=True, kw_only=True)
class _Parts:
    ground: Ground
    online: Online
    rollouts: RolloutParts
    webhooks: WebhookParts
    batch: Batch
    errands: ErrandParts
    upkeep: Upkeep


def build(settings: Settings, token: str, shut_down: Callable[[], None]) -> Platform:
    """The platform for these settings; nothing runs yet. `shut_down` is called when a client asks for the end."""
    outside = connect(settings)
    resources = Resources(outside.store, SystemClock(), lambda key: enqueue(controller, key))
    below = ground(settings, outside, resources, lambda: leadership.held)
    parts = _parts(below, lambda name: watch.changed(name))  # noqa: PLW0108 - made below
    controller = Controller(
        _reconcilers(parts), below.clock, acting=below.leading, all_keys=lambda: all_keys(resources, outside.engine)
    )
    leadership = Leadership(outside.store, below.clock, identity(settings), controller.enqueue_all)
    watch = Watch(outside.engine, controller.enqueue)
    return Platform(
        services=_services(parts, token, Readiness(checks(outside.store, outside.gateway, leadership)), shut_down),
        gateway=outside.gateway,
        parts=_in_background(parts, leadership, controller, watch),
        closing=_to_be_closed(parts),
    )


def _parts(below: Ground, changed: Callable[[str], None]) -> _Parts:
    settings = below.settings
    serving = online(below, changed)
    secrets = settings.home / "secrets" / "webhooks"
    return _Parts(
        ground=below,
        online=serving,
        rollouts=rollout_parts(below, serving),
        webhooks=webhook_parts(below.resources, below.clock, below.leading, secrets, settings.database),
        batch=batch(below),
        errands=errand_parts(below),
        upkeep=upkeep(below),
    )


def _reconcilers(parts: _Parts) -> Mapping[str, Reconciler]:
    return {
        **parts.online.reconcilers,
        **parts.rollouts.reconcilers,
        **parts.batch.reconcilers,
        WEBHOOK.name: parts.webhooks.reconciler,
    }


def _services(parts: _Parts, token: str, readiness: Readiness, shut_down: Callable[[], None]) -> Services:
    below, serving, rollouts, jobs = parts.ground, parts.online, parts.rollouts, parts.batch
    settings, resources, outside = below.settings, below.resources, below.outside
    return Services(
        resources=resources,
        endpoints=serving.endpoints,
        deployments=serving.deployments,
        rollouts=rollouts.rollouts,
        rollbacks=rollouts.rollbacks,
        golden=rollouts.golden,
        golden_recorder=rollouts.golden_recorder,
        shadows=rollouts.shadows,
        contracts=Contracts(resources),
        webhooks=parts.webhooks.webhooks,
        autoscales=Autoscales(resources),
        computes=jobs.computes,
        batch_endpoints=jobs.endpoints,
        batch_deployments=jobs.deployments,
        jobs=jobs.jobs,
        job_files=jobs.job_files,
        datastores=jobs.datastores,
        storage=jobs.storage,
        models=below.models,
        artifacts=outside.artifacts,
        environments=outside.environments,
        environment_collector=parts.upkeep.environment_collector,
        environment_doctor=parts.upkeep.environment_doctor,
        validations=parts.errands.validations,
        compilations=parts.errands.compilations,
        fleet=serving.fleet,
        records=Records(settings.collected_folder),
        inspector=serving.inspector,
        windows=serving.meter,
        minutes=Minutes(resources, serving.meter, below.clock),
        tapes=serving.tapes,
        gateway=outside.gateway,
        mlflow=outside.mlflow,
        readiness=readiness,
        token=token,
        home=str(settings.home),
        host=settings.host,
        max_blob_bytes=_MAX_BLOB_BYTES,
        started_at=below.clock.now(),
        now=below.clock.now,
        leading=below.leading,
        shut_down=shut_down,
    )


def _in_background(parts: _Parts, leadership: Leadership, controller: Controller, watch: Watch) -> tuple[Part, ...]:
    outside = parts.ground.outside
    return (
        parts.online.routing,
        parts.online.prober,
        EventFollower(outside.store, lambda event: _follow(controller, parts.online.meter, event)),
        parts.online.meter,
        parts.online.tapes,
        parts.rollouts.shadows,
        leadership,
        controller,
        parts.webhooks.deliveries,
        watch,
        parts.online.waker,
        parts.online.scaler,
        parts.errands.validations,
        parts.errands.compilations,
        outside.mlflow,
        parts.upkeep.environment_collector,
        parts.upkeep.record_keeper,
    )


def _follow(controller: Controller, meter: Meter, event: Event) -> None:
    """What another control plane wrote concerns this one too: the controller if it leads."""
    meter.note(event)
    enqueue(controller, Key(event.kind, event.name))


def _to_be_closed(parts: _Parts) -> tuple[Callable[[], object], ...]:
    below = parts.ground
    return (
        parts.batch.runner.close,
        parts.rollouts.looks.close,
        parts.rollouts.stages.close,
        parts.upkeep.environment_doctor.close,
        parts.online.inspector.close,
        below.builds.close,
        below.outside.images.close,
        below.outside.engine.close,
        below.models.close,
        below.outside.store.close,
    )

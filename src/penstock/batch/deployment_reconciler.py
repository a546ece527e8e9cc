"""Makes a batch deployment ready: model and code laid out, environment built, loaded once. No process stays."""

import logging
from datetime import timedelta

from penstock.batch.launch import Launch, Launches
from penstock.batch.preflight import Preflight
from penstock.control.clock import Clock
from penstock.control.resources import PLATFORM, Resources
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT, BatchDeployment, BatchDeploymentStatus
from penstock.domain.errors import PenstockError
from penstock.domain.events import Event
from penstock.domain.resource import Condition, Key, Resource, Truth, with_condition
from penstock.domain.samples import is_skipped
from penstock.preparation.building import Failure, Waiting

log = logging.getLogger(__name__)

_SOON = timedelta(milliseconds=100)
_STEPS = ("Model", "Environment", "Preflight")

Deployment = Resource[BatchDeployment, BatchDeploymentStatus]


class BatchDeploymentReconciler:
    def __init__(self, resources: Resources, launches: Launches, preflight: Preflight, clock: Clock) -> None:
        self._resources = resources
        self._launches = launches
        self._preflight = preflight
        self._clock = clock

    def reconcile(self, key: Key) -> timedelta | None:
        deployment = self._resources.find(BATCH_DEPLOYMENT, key.name)
        if deployment is None:
            return None
        if deployment.deleting_since is not None:
            self._launches.forget(deployment.name)
            self._resources.remove(BATCH_DEPLOYMENT, deployment)
            return None
        if deployment.ready or _has_failed(deployment):
            return None
        if deployment.status.observed_generation != deployment.generation:
            self._let_build_again(deployment)
        launch = self._launches.prepare(
            deployment.name, deployment.spec, lambda: self._resources.enqueue(deployment.key)
        )
        outcome = self._loaded(deployment, launch) if isinstance(launch, Launch) else launch
        if isinstance(outcome, Waiting):
            self._write(deployment, self._conditions(deployment, outcome.step, Truth.UNKNOWN, outcome), None)
            return _SOON
        if isinstance(outcome, Failure):
            conditions = self._conditions(deployment, outcome.step, Truth.FALSE, outcome)
            self._write(deployment, conditions, outcome.detail)
            return None
        conditions = self._conditions(deployment, "", Truth.TRUE, None)
        self._write(deployment, conditions, None, outcome.environment.fingerprint)
        return None

    def _let_build_again(self, deployment: Deployment) -> None:
        """It was applied, maybe because what has kept its environment from being built is mended."""
        try:
            self._launches.retry(deployment.name, deployment.spec)
        except PenstockError as err:
            log.info("nothing to build again", extra={"deployment": deployment.name, "error": err.message})

    def _loaded(self, deployment: Deployment, launch: Launch) -> Launch | Waiting | Failure:
        """`launch` once a worker has loaded it, unless its author does not want that."""
        if is_skipped(deployment.spec):
            return launch
        self._launches.use(launch)
        return self._preflight.outcome(deployment.name, launch) or launch

    def _conditions(
        self, deployment: Deployment, step: str, truth: Truth, outcome: Waiting | Failure | None
    ) -> tuple[Condition, ...]:
        """Model, then Environment, then Ready: true up to `step`, which is `truth`, unknown after it."""
        now = self._clock.now()
        reason, message = (outcome.reason, outcome.message) if outcome is not None else ("Ready", "jobs can be run")
        conditions = deployment.status.conditions
        reached = False
        for name in _STEPS:
            if name == step:
                reached = True
                new = Condition(name=name, truth=truth, reason=reason, message=message, since=now)
            elif reached:
                new = Condition(name=name, truth=Truth.UNKNOWN, reason="Waiting", message="it waits", since=now)
            else:
                new = Condition(name=name, truth=Truth.TRUE, reason="Done", message=f"{name.lower()} ready", since=now)
            conditions = with_condition(conditions, new)
        ready = Condition(name="Ready", truth=truth, reason=reason, message=message, since=now)
        return with_condition(conditions, ready)

    def _write(
        self,
        deployment: Deployment,
        conditions: tuple[Condition, ...],
        failure: str | None,
        environment: str | None = None,
    ) -> None:
        status = BatchDeploymentStatus(
            observed_generation=deployment.generation,
            conditions=conditions,
            environment=environment or deployment.status.environment,
            failure=failure,
        )
        if status == deployment.status:
            return
        ready = conditions[-1]
        events: list[Event] = []
        if ready.truth is not Truth.UNKNOWN:
            name = "DeploymentReady" if ready.truth is Truth.TRUE else "DeploymentFailed"
            events.append(
                Event(
                    at=self._clock.now(),
                    kind=BATCH_DEPLOYMENT.name,
                    name=deployment.name,
                    generation=deployment.generation,
                    reason=name,
                    message=ready.message,
                    actor=PLATFORM,
                )
            )
        self._resources.set_status(BATCH_DEPLOYMENT, deployment, status, *events)


def _has_failed(deployment: Deployment) -> bool:
    """True if this very generation has failed; it is tried again when it is applied again."""
    ready = deployment.status.condition("Ready")
    seen = deployment.status.observed_generation == deployment.generation
    return seen and ready is not None and ready.truth is Truth.FALSE

"""Makes a deployment so: prepares its revision, proves it with one instance, then rolls, scales and heals.

The decisions are in `instances.py`, `preflight.py` and `progress.py`; here they are carried out.
"""

import logging
import shutil
from collections.abc import Sequence
from datetime import timedelta

from penstock.control.clock import Clock
from penstock.control.resources import PLATFORM, Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.events import Event
from penstock.domain.instance import Instance, InstanceName, Phase
from penstock.domain.quantities import memory_bytes
from penstock.domain.resource import Key, Resource, Truth
from penstock.online import logs
from penstock.online.assembly import Assembly, Prepared
from penstock.online.counts import Counts
from penstock.online.fleet import Fleet
from penstock.online.instances import Wanted, drained, plan
from penstock.online.preflight import best, cannot_start, ending, start_deadline, too_slow
from penstock.online.progress import Findings, news, settled, status
from penstock.online.routing import Routing
from penstock.preparation.building import Failure, Waiting
from penstock_worker import contract

log = logging.getLogger(__name__)

_MOVING = timedelta(milliseconds=100)
_RESYNC = timedelta(seconds=10)
_DRAIN_MARGIN = timedelta(seconds=5)
_FAILURE_LINES = 40

Deployment = Resource[OnlineDeployment, OnlineDeploymentStatus]
Outcome = Prepared | Waiting | Failure


class DeploymentReconciler:
    def __init__(
        self,
        resources: Resources,
        assembly: Assembly,
        fleet: Fleet,
        routing: Routing,
        clock: Clock,
        counts: Counts,
    ) -> None:
        self._resources = resources
        self._assembly = assembly
        self._fleet = fleet
        self._routing = routing
        self._clock = clock
        self._counts = counts

    def reconcile(self, key: Key) -> timedelta | None:
        deployment = self._resources.find(ONLINE_DEPLOYMENT, key.name)
        if deployment is None:
            return None if self._empty(key.name, _DRAIN_MARGIN) else _MOVING
        if deployment.deleting_since is not None:
            return self._delete(deployment)
        return self._converge(deployment)

    def _converge(self, deployment: Deployment) -> timedelta | None:
        """One step: prepare what is wanted, prove it, keep what serves alive until then, and say how far it is."""
        outcome = self._outcome(deployment)
        self._note_crashes(deployment)
        instances = self._fleet.instances(*deployment.name.split("/"))
        proven = isinstance(outcome, Prepared) and self._proven(deployment, outcome, instances)
        if isinstance(outcome, Prepared) and proven:
            self._step(deployment, outcome, instances)
        else:
            serving = self._serving(deployment)
            if serving is not None:
                self._step(deployment, serving, [i for i in instances if i.name.revision == serving.revision])
            # What has served is no trial, also while it could not be started anew: its environment may be being mended.
            proved = {deployment.status.revision, serving.revision if serving is not None else None}
            outcome = self._try(deployment, outcome, [i for i in instances if i.name.revision not in proved])
        self._routing.apply()
        return self._report(deployment, outcome, proven=proven)

    def _outcome(self, deployment: Deployment) -> Outcome:
        seen = deployment.status.observed_generation == deployment.generation
        if seen and deployment.status.failed_revision is not None:
            return _remembered(deployment.status)
        if not seen:
            self._assembly.retry(deployment.name, deployment.spec)
        return self._assembly.prepare(deployment.name, deployment.spec, lambda: self._resources.enqueue(deployment.key))

    def _proven(self, deployment: Deployment, wanted: Prepared, instances: Sequence[Instance]) -> bool:
        """True if this revision has served before, or an instance of it has loaded by now."""
        return deployment.status.revision == wanted.revision or any(
            i.listening and i.name.revision == wanted.revision for i in instances
        )

    def _serving(self, deployment: Deployment) -> Prepared | None:
        """What served before the change that is being tried, if that can still be started."""
        if deployment.status.revision is None:
            return None
        history = self._resources.history(ONLINE_DEPLOYMENT, deployment.name)
        spec = next((r.spec for r in history if r.generation == deployment.status.serving_generation), None)
        if spec is None:
            return None
        outcome = self._assembly.prepare(deployment.name, spec, lambda: self._resources.enqueue(deployment.key))
        return outcome if isinstance(outcome, Prepared) else None

    def _try(self, deployment: Deployment, outcome: Outcome, trial: Sequence[Instance]) -> Outcome:
        """Start the first instance of a new revision, or judge how its start has gone."""
        revision = outcome.revision if isinstance(outcome, Prepared) else None
        self._discard([i for i in trial if i.name.revision != revision])
        if not isinstance(outcome, Prepared):
            return outcome
        first = next((i for i in trial if i.name.revision == revision), None)
        if first is None:
            endpoint, name = deployment.name.split("/")
            first_name = InstanceName(endpoint, name, outcome.revision, 0)
            self._fleet.forgive(first_name)
            self._start(first_name, outcome, proving=True)
            return outcome
        failure = self._judge(first, outcome)
        if failure is None:
            self._fleet.probe(first.name, first, outcome.spec)
            return outcome
        self._discard([first])
        return failure

    def _judge(self, first: Instance, prepared: Prepared) -> Failure | None:
        if first.phase is Phase.EXITED:
            tail = logs.tail(self._fleet.places.log(first.name), _FAILURE_LINES)
            return cannot_start(first, self._fleet.report(first), tail, self._limit(prepared))
        if first.phase is Phase.STARTING and self._overdue(first, prepared.spec):
            return too_slow(first, self._fleet.report(first), start_deadline(prepared.spec))
        return None

    def _step(self, deployment: Deployment, prepared: Prepared, instances: Sequence[Instance]) -> None:
        """Carry out one step of the plan for a proven revision."""
        count = self._counts.of(deployment, prepared.spec, instances).run
        endpoint, name = str(prepared.spec.endpoint_name), str(prepared.spec.name)
        wanted = Wanted(
            endpoint=endpoint,
            deployment=name,
            revision=prepared.revision,
            count=count,
            drain=_drain_time(prepared.spec),
        )
        todo = plan(wanted, instances, self._clock.now())
        if count == 0:
            self._fleet.forgive_all(endpoint, name)
        for instance in instances:
            self._tend(instance, prepared, restarting=instance.name in todo.start)
        for instance_name in todo.start:
            self._start(instance_name, prepared, proving=False)
        for instance_name in todo.drain:
            self._fleet.drain(instance_name)
        for instance_name in todo.stop:
            self._fleet.stop(instance_name)

    def _tend(self, instance: Instance, prepared: Prepared, *, restarting: bool) -> None:
        """Keep an instance probed, replace one that does not answer, and forget one that is gone for good."""
        if instance.phase is Phase.EXITED:
            waiting = instance.restart_at is not None and instance.name.revision == prepared.revision
            if self._fleet.stopping(instance.name) or not (waiting or restarting):
                self._fleet.forget(instance.name)
            return
        if instance.name.revision == prepared.revision:
            self._fleet.probe(instance.name, instance, prepared.spec)
        hung = instance.phase is Phase.STARTING and self._overdue(instance, prepared.spec)
        if hung or not instance.live:
            why = "has not loaded in time" if hung else "does not answer its liveness probe"
            self._replace(instance.name, why)

    def _replace(self, name: InstanceName, why: str) -> None:
        """Kill an instance that is of no use any more; the plan starts it again."""
        message = f"instance {name} {why} and is replaced"
        self._resources.record(
            ONLINE_DEPLOYMENT.name, f"{name.endpoint}/{name.deployment}", "InstanceUnresponsive", message
        )
        self._fleet.kill(name)

    def _start(self, name: InstanceName, prepared: Prepared, *, proving: bool) -> None:
        self._fleet.start(name, self._assembly.process(name, prepared, proving=proving), prepared.spec)
        logs.prune(self._fleet.places, name.endpoint, name.deployment)

    def _discard(self, instances: Sequence[Instance]) -> None:
        """End instances that never served."""
        for instance in instances:
            if instance.phase is Phase.EXITED:
                self._fleet.forget(instance.name)
            else:
                self._fleet.stop(instance.name)

    def _note_crashes(self, deployment: Deployment) -> None:
        limit = deployment.spec.resources.limits.memory
        bytes_ = memory_bytes(limit) if limit else self._assembly.memory_bytes
        for instance in self._fleet.instances(*deployment.name.split("/")):
            if instance.phase is not Phase.EXITED or self._fleet.stopping(instance.name):
                continue
            ended, report = ending(instance.exit_code, bytes_), self._fleet.report(instance)
            told = report is not None and report.phase == contract.FAILED
            if self._fleet.crash(instance, report.message if report and told else f"its process {ended}") is not None:
                message = f"instance {instance.name} {ended}"
                self._resources.record(
                    ONLINE_DEPLOYMENT.name, deployment.name, "InstanceDied", message, generation=deployment.generation
                )

    def _report(self, deployment: Deployment, outcome: Outcome, *, proven: bool) -> timedelta:
        """Write the status if it has changed, and say when to look again."""
        instances = self._fleet.instances(*deployment.name.split("/"))
        found = Findings(
            generation=deployment.generation,
            count=self._counts.of(deployment, deployment.spec, instances),
            outcome=outcome,
            proven=proven,
            report=self._told(deployment, outcome, instances),
            instances=instances,
        )
        after = status(deployment.status, found, self._clock.now())
        if after != deployment.status:
            events = self._events(deployment, after)
            if self._resources.set_status(ONLINE_DEPLOYMENT, deployment, after, *events) is None:
                return _MOVING
            if isinstance(outcome, Prepared) and proven:
                self._assembly.prune(deployment.name, {outcome.revision, *(i.name.revision for i in instances)})
        return _RESYNC if settled(after, instances) else _MOVING

    def _told(self, deployment: Deployment, outcome: Outcome, instances: Sequence[Instance]) -> contract.Report | None:
        """What the first instance of the wanted revision says of its start, until that is in the status."""
        known = deployment.status.condition("Preflight")
        seen = deployment.status.observed_generation == deployment.generation
        if not isinstance(outcome, Prepared) or (seen and known is not None and known.truth is Truth.TRUE):
            return None
        return best([self._fleet.report(i) for i in instances if i.name.revision == outcome.revision])

    def _events(self, deployment: Deployment, after: OnlineDeploymentStatus) -> Sequence[Event]:
        """An event when a generation of the deployment becomes ready or fails, not for each step on the way."""
        told = news(deployment.status, after)
        if told is None:
            return []
        event = Event(
            at=self._clock.now(),
            kind=ONLINE_DEPLOYMENT.name,
            name=deployment.name,
            generation=deployment.generation,
            reason=told[0],
            message=told[1],
            actor=PLATFORM,
        )
        return [event]

    def _delete(self, deployment: Deployment) -> timedelta | None:
        """Instances finish their requests and end, once nothing is sent there any more; then files, row, backend go."""
        self._routing.apply()
        if not self._empty(deployment.name, _drain_time(deployment.spec)):
            self._routing.apply()
            return _MOVING
        shutil.rmtree(self._assembly.deployment_folder(deployment.name), ignore_errors=True)
        shutil.rmtree(self._fleet.places.log_folder(*deployment.name.split("/")), ignore_errors=True)
        self._fleet.places.inflight(*deployment.name.split("/")).unlink(missing_ok=True)
        self._counts.forget(deployment.name)
        self._resources.remove(ONLINE_DEPLOYMENT, deployment)
        self._routing.apply()
        return None

    def _empty(self, name: str, limit: timedelta) -> bool:
        """Drain and end all instances of a deployment; True when there are none."""
        instances = self._fleet.instances(*name.split("/"))
        for instance in instances:
            if instance.phase is Phase.EXITED:
                self._fleet.forget(instance.name)
            elif drained(instance, limit, self._clock.now()):
                self._fleet.stop(instance.name)
            else:
                self._fleet.drain(instance.name)
        return not instances

    def _overdue(self, instance: Instance, spec: OnlineDeployment) -> bool:
        return self._clock.now() - instance.started_at > start_deadline(spec)

    def _limit(self, prepared: Prepared) -> int:
        return prepared.ingredients.memory_bytes or self._assembly.memory_bytes


def _remembered(status_: OnlineDeploymentStatus) -> Failure:
    """The failure that the status tells of."""
    failed = next(c for c in status_.conditions if c.truth is Truth.FALSE)
    return Failure(
        revision=status_.failed_revision,
        step=failed.name,
        reason=failed.reason,
        message=failed.message,
        detail=status_.failure,
    )


def _drain_time(spec: OnlineDeployment) -> timedelta:
    """As long as a request may wait and run, and a little."""
    settings = spec.request_settings
    return timedelta(milliseconds=settings.request_timeout_ms + (settings.max_queue_wait_ms or 0)) + _DRAIN_MARGIN

"""A deployment's status from what has been found. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from penstock.domain.deployment import OnlineDeploymentStatus
from penstock.domain.instance import Instance, Phase
from penstock.domain.resource import Condition, Truth, with_condition
from penstock.online.assembly import Prepared
from penstock.online.counts import Count
from penstock.online.preflight import told
from penstock.preparation.building import Failure, Waiting
from penstock_worker import contract

ORDER = ("Model", "Environment", "Preflight", "Instances", "Ready")  # as a deployment goes through them
_MOVING = ("Degraded", "NoInstances", "CannotStart", "Scaling", "Waking")  # reasons of Ready that will not last
_SAME = {"Scaling": "Serving", "Waking": "Asleep"}  # these are no news beside those


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one pass over a deployment has found.

    `proven` is true once an instance of the wanted revision has loaded; `report` is what such a one says of its start,
    where that is news. `instances` are all of the deployment's, of whatever revision.
    """

    generation: int
    count: Count
    outcome: Prepared | Waiting | Failure
    proven: bool
    report: contract.Report | None
    instances: Sequence[Instance]


def status(before: OnlineDeploymentStatus, found: Findings, now: datetime) -> OnlineDeploymentStatus:
    """The status after this pass. A failure is kept with the revision that failed, until the spec changes."""
    conditions = before.conditions if before.observed_generation == found.generation else ()
    for name, truth, reason, message in _conditions(before, found):
        new = Condition(name=name, truth=truth, reason=reason, message=message, since=now)
        conditions = with_condition(conditions, new)
    failure = found.outcome if isinstance(found.outcome, Failure) else None
    serving = found.outcome if isinstance(found.outcome, Prepared) and found.proven else None
    return before.model_copy(
        update={
            "observed_generation": found.generation,
            "conditions": tuple(sorted(conditions, key=lambda c: ORDER.index(c.name))),
            "revision": serving.revision if serving else before.revision,
            "serving_generation": found.generation if serving else before.serving_generation,
            "ready_instances": len(_ready(found.instances)),
            "scaled_instances": found.count.wanted if found.count.scaled else None,
            "limit": found.count.limit,
            "instance_memory_bytes": found.count.need_bytes,
            "cold_start_seconds": _cold_start(before, found, now),
            "environment": found.outcome.environment.fingerprint
            if isinstance(found.outcome, Prepared)
            else before.environment,
            "failure": failure.detail if failure else None,
            "failed_revision": failure.revision if failure else None,
        }
    )


def settled(status_: OnlineDeploymentStatus, instances: Sequence[Instance]) -> bool:
    """True if only a change of spec or processes can need another look soon."""
    ready = status_.condition("Ready")
    if ready is None or ready.truth is Truth.UNKNOWN or ready.reason in _MOVING:
        return False
    return all(i.phase in (Phase.READY, Phase.EXITED) and i.draining_since is None for i in instances)


def news(before: OnlineDeploymentStatus, after: OnlineDeploymentStatus) -> tuple[str, str] | None:
    """Reason and message of an event: when a generation of the deployment becomes ready, fails or falls asleep, not for
    each step on the way; and when the machine has no room for what the autoscaler wants."""
    old, new = before.condition("Ready"), after.condition("Ready")
    if after.limit and not before.limit:
        return "InstancesLimited", after.limit
    if new is None or new.truth is Truth.UNKNOWN:
        return None
    if old is not None and _state(old) == _state(new) and before.observed_generation == after.observed_generation:
        return None
    ready = "DeploymentAsleep" if new.reason == "Asleep" else "DeploymentReady"
    return ready if new.truth is Truth.TRUE else "DeploymentFailed", f"{new.reason}: {new.message}"


def _state(ready: Condition) -> tuple[Truth, str]:
    return ready.truth, _SAME.get(ready.reason, ready.reason)


Row = tuple[str, Truth, str, str]


def _conditions(before: OnlineDeploymentStatus, found: Findings) -> list[Row]:
    outcome = found.outcome
    if isinstance(outcome, Waiting):
        resolved: list[Row] = [("Model", Truth.TRUE, "Resolved", "model and code are in place")]
        return [
            *(resolved if outcome.step != "Model" else []),
            (outcome.step, Truth.UNKNOWN, outcome.reason, outcome.message),
            ("Ready", Truth.UNKNOWN, "Progressing", outcome.message),
        ]
    if isinstance(outcome, Failure):
        return _failed(before, found, outcome)
    rows: list[Row] = [
        ("Model", Truth.TRUE, "Resolved", "model and code are in place"),
        ("Environment", Truth.TRUE, "Ready", f"environment {outcome.environment.fingerprint} is ready"),
    ]
    reason, message = told(found.report)
    if not found.proven:
        return [
            *rows,
            ("Preflight", Truth.UNKNOWN, reason, message),
            ("Ready", Truth.UNKNOWN, "Progressing", "the model is being loaded"),
        ]
    if found.report is not None and found.report.phase == contract.READY:
        rows.append(("Preflight", Truth.TRUE, reason, message))
    elif not _has(before, found, "Preflight"):
        rows.append(("Preflight", Truth.TRUE, "Loaded", "loaded"))
    return rows + _instances(before, found, outcome.revision)


def _instances(before: OnlineDeploymentStatus, found: Findings, revision: str) -> list[Row]:
    count = found.count
    current = [i for i in found.instances if i.name.revision == revision and i.draining_since is None]
    ready = len(_ready(current))
    leaving = len(found.instances) - len(current)  # of other revisions, or more than are wanted
    message = f"{ready} of {count.run} instances are ready" + (f"; {count.limit}" if count.limit else "")
    if count.run == 0 and not current:
        asleep = "asleep: the next request starts an instance"
        return [("Instances", Truth.TRUE, "Asleep", asleep), ("Ready", Truth.TRUE, "Asleep", asleep)]
    if ready == count.run == len(current) and not leaving:
        reason = "Limited" if count.limit else "Ready"
        return [("Instances", Truth.TRUE, reason, message), ("Ready", Truth.TRUE, "Serving", message)]
    return _dying(found, current, ready, message) or _on_the_way(before, found, revision, ready, message)


def _dying(found: Findings, current: Sequence[Instance], ready: int, message: str) -> list[Row]:
    failure = next((i.failure for i in current if i.failure), "")
    if failure and not ready and found.count.scaled:  # those who are held are told
        return [(name, Truth.FALSE, "CannotStart", f"{failure}; see get-logs") for name in ("Instances", "Ready")]
    if any(i.phase is Phase.EXITED and i.restart_at is not None for i in current):
        truth = Truth.TRUE if ready else Truth.FALSE
        return [
            ("Instances", Truth.FALSE, "Restarting", f"{message}; others have died and are started again"),
            ("Ready", truth, "Degraded" if ready else "NoInstances", f"{message}; see get-logs"),
        ]
    return []


def _on_the_way(before: OnlineDeploymentStatus, found: Findings, revision: str, ready: int, message: str) -> list[Row]:
    if found.count.scaled and all(i.name.revision == revision for i in found.instances):
        # Nobody waits for a change of his own, and requests are answered, if with a delay.
        if ready:
            return _moving(Truth.TRUE, "Scaling", message)
        if _reason(before, "Instances") in ("Asleep", "Waking"):
            return _moving(Truth.TRUE, "Waking", "a request wakes it: the first instance is starting")
    # A rolling update or a change of instance_count: the old and the new instances both serve meanwhile.
    return _moving(Truth.UNKNOWN, "Progressing", message)


def _moving(ready: Truth, reason: str, message: str) -> list[Row]:
    return [("Instances", Truth.UNKNOWN, reason, message), ("Ready", ready, reason, message)]


def _cold_start(before: OnlineDeploymentStatus, found: Findings, now: datetime) -> float | None:
    """How long it took to wake, once that is known."""
    waking = before.condition("Instances")
    if waking is None or waking.reason != "Waking" or not _ready(found.instances):
        return before.cold_start_seconds
    return round((now - waking.since).total_seconds(), 2)


def _reason(status_: OnlineDeploymentStatus, name: str) -> str:
    condition = status_.condition(name)
    return condition.reason if condition is not None else ""


def _failed(before: OnlineDeploymentStatus, found: Findings, failure: Failure) -> list[Row]:
    serving = before.revision is not None and bool(_ready(found.instances))
    suffix = "; the version before goes on serving" if serving else ""
    return [
        (failure.step, Truth.FALSE, failure.reason, failure.message),
        ("Ready", Truth.FALSE, failure.reason, failure.message + suffix),
    ]


def _has(before: OnlineDeploymentStatus, found: Findings, name: str) -> bool:
    return before.observed_generation == found.generation and before.condition(name) is not None


def _ready(instances: Sequence[Instance]) -> list[Instance]:
    return [i for i in instances if i.phase is Phase.READY and i.draining_since is None]

"""What became of an instance's start, in the words of the user's own code. Pure but for reading the log's end."""

import signal
from datetime import timedelta

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.instance import Instance
from penstock.online.assembly import Failure
from penstock_worker import contract


def start_deadline(spec: OnlineDeployment) -> timedelta:
    """How long an instance may take to load: what its liveness probe allows, as on Azure."""
    probe = spec.liveness_probe
    return timedelta(seconds=probe.initial_delay + probe.period * probe.failure_threshold)


def too_slow(instance: Instance, deadline: timedelta) -> Failure:
    return Failure(
        revision=instance.name.revision,
        step="Preflight",
        reason="StartTimeout",
        message=(
            f"the model did not load within {deadline.total_seconds():.0f} s (liveness_probe: initial_delay + period x "
            "failure_threshold); init() must return: see get-logs for how far it came"
        ),
    )


def cannot_start(instance: Instance, report: contract.Report | None, log_tail: str, memory_bytes: int) -> Failure:
    """Why an instance ended before it was ready."""
    if report is not None and report.phase == contract.FAILED:
        return Failure(
            revision=instance.name.revision,
            step="Preflight",
            reason=report.reason,
            message=report.message,
            detail=report.traceback or log_tail,
        )
    return Failure(
        revision=instance.name.revision,
        step="Preflight",
        reason="InstanceDied",
        message=f"the process {ending(instance.exit_code, memory_bytes)} while the model was being loaded",
        detail=log_tail,
    )


def ending(exit_code: int | None, memory_bytes: int) -> str:
    """How a process ended, as the end of a sentence that begins with its name."""
    if exit_code is None:
        return "has ended"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    if -exit_code == signal.SIGKILL:
        return f"was killed (SIGKILL: by hand, or out of memory; its limit is {memory_bytes // 2**20} MiB)"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"

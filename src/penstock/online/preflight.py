"""What became of an instance's start, in the words of the user's own code. Pure."""

import signal
from collections.abc import Iterable
from datetime import timedelta

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.instance import Instance
from penstock.preparation.building import Failure
from penstock_worker import contract


def start_deadline(spec: OnlineDeployment) -> timedelta:
    """How long an instance may take to load: what its liveness probe allows, as on Azure."""
    probe = spec.liveness_probe
    return timedelta(seconds=probe.initial_delay + probe.period * probe.failure_threshold)


def best(reports: Iterable[contract.Report | None]) -> contract.Report | None:
    """The first report of an instance that is ready, else of one that is still starting."""
    found = [report for report in reports if report is not None]
    ready = [report for report in found if report.phase == contract.READY]
    return next(iter(ready or [report for report in found if report.phase == contract.LOADING]), None)


def told(report: contract.Report | None) -> tuple[str, str]:
    """Reason and message of the Preflight condition for an instance that has started, or is on its way.

    `Loading`, then `Trying` the sample, then `Scored`; `Loaded` if no prediction was made.
    """
    if report is None or not report.load_seconds:
        if report is not None and report.phase == contract.READY:
            return "Loaded", "loaded"
        return "Loading", "the first instance is loading the model"
    memory = f" with {mebibytes(report.memory_bytes)}" if report.memory_bytes else ""
    loaded = f"loaded in {duration(report.load_seconds)}{memory}"
    if report.phase != contract.READY:
        return "Trying", f"{loaded}; the {report.sample} is being tried"
    scored = [f"{report.sample} scored in {duration(report.sample_seconds)}"] if report.sample else []
    return "Scored" if report.sample else "Loaded", "; ".join((loaded, *scored, *report.notices))


def too_slow(instance: Instance, report: contract.Report | None, deadline: timedelta) -> Failure:
    allowed = f"{deadline.total_seconds():.0f} s (liveness_probe: initial_delay + period x failure_threshold)"
    if report is not None and report.sample:
        message = (
            f"the model loaded, and did not answer the {report.sample} before {allowed} were over: run() must return"
        )
    else:
        message = f"the model did not load within {allowed}; init() must return"
    return Failure(
        revision=instance.name.revision,
        step="Preflight",
        reason="StartTimeout",
        message=f"{message}: see get-logs for how far it came",
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
    sample = report.sample if report is not None else ""
    when = f"the {sample} was being tried" if sample else "the model was being loaded"
    return Failure(
        revision=instance.name.revision,
        step="Preflight",
        reason="InstanceDied",
        message=f"the process {ending(instance.exit_code, memory_bytes)} while {when}",
        detail=log_tail,
    )


def ending(exit_code: int | None, memory_bytes: int) -> str:
    """How a process ended, as the end of a sentence that begins with its name."""
    if exit_code is None:
        return "has ended"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    if -exit_code == signal.SIGKILL:
        return f"was killed (SIGKILL: by hand, or out of memory; its limit is {mebibytes(memory_bytes)})"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"


def duration(seconds: float) -> str:
    """`4.1 ms`, `1.21 s`."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def mebibytes(size: int) -> str:
    return f"{size // 2**20} MiB"

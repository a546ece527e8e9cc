"""The phases of a rollout before its first step: golden requests, and a time in the shadow."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Protocol

from penstock.domain.durations import span_text
from penstock.domain.endpoint import OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.errors import PenstockError
from penstock.domain.golden import GoldenRequest, GoldenResult
from penstock.domain.resource import Resource
from penstock.domain.rollout import Choice, Finding, Phase, Rollout, RolloutStatus, ShadowStage, Verdict
from penstock.domain.shadow import ShadowReport

RolloutResource = Resource[Rollout, RolloutStatus]


class GoldenChecks(Protocol):
    """Asks a deployment for its golden answers; takes up to a minute."""

    def check(self, endpoint: str, deployment: str, requests: tuple[GoldenRequest, ...]) -> GoldenResult: ...


class ShadowReports(Protocol):
    """Compares the answers of a shadow with those of the deployment that callers were answered by."""

    def report(self, endpoint: str, live: str, shadow: str, since: datetime) -> ShadowReport: ...


class Stages:
    """Golden checks run in the background, for a controller's thread must not wait for a model."""

    def __init__(self, golden: GoldenChecks, shadows: ShadowReports) -> None:
        self._golden = golden
        self._shadows = shadows
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="golden")
        self._checks: dict[str, tuple[int, Future[GoldenResult]]] = {}

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def forget(self, name: str) -> None:
        self._checks.pop(name, None)

    def verdict(
        self, rollout: RolloutResource, endpoint: Resource[OnlineEndpoint, OnlineEndpointStatus], now: datetime
    ) -> Verdict:
        """Of the phase that the rollout is in."""
        if rollout.status.phase is Phase.GOLDEN:
            return paused(rollout.spec, self._golden_verdict(rollout))
        return paused(rollout.spec, self._shadow_verdict(rollout, endpoint.name, now))

    def _golden_verdict(self, rollout: RolloutResource) -> Verdict:
        endpoint, _, _ = rollout.name.partition("/")
        attempt, check = self._checks.get(rollout.name, (0, None))
        if check is None or attempt != rollout.status.attempt:
            requests = rollout.spec.golden if isinstance(rollout.spec.golden, tuple) else ()
            check = self._pool.submit(self._golden.check, endpoint, rollout.spec.to, requests)
            self._checks[rollout.name] = (rollout.status.attempt, check)
        if not check.done():
            return _verdict(Choice.WAIT, "CheckingGoldenRequests", "golden requests are being asked")
        self.forget(rollout.name)
        try:
            result = check.result()
        except PenstockError as err:
            return _verdict(Choice.ROLL_BACK, "GoldenFailed", f"golden requests: {err.message}")
        if result.passed:
            return _verdict(Choice.ADVANCE, "GoldenPassed", str(result))
        found = Finding(guard="golden", state="failed", message=str(result)[:2000])
        return _verdict(Choice.ROLL_BACK, "GoldenFailed", f"golden: {result}", found)

    def _shadow_verdict(self, rollout: RolloutResource, endpoint: str, now: datetime) -> Verdict:
        spec, status = rollout.spec, rollout.status
        live, since = _most(status), status.phase_since or now
        if spec.shadow is None or live is None:
            return _verdict(Choice.ADVANCE, "NothingToShadow", "there is no deployment with traffic to compare with")
        report = self._shadows.report(endpoint, live, spec.to, since)
        return judged(spec, spec.shadow, report, now - since)


def judged(spec: Rollout, stage: ShadowStage, report: ShadowReport, lasted: timedelta) -> Verdict:
    """What a shadow report means for a rollout whose shadow stage has lasted so long. Pure."""
    agreement, missing = report.agreement, max(0, stage.minimum_requests - report.pairs)
    percent = "nothing to compare yet" if agreement is None else f"{agreement:.2%} of {report.rows:,} rows agree"
    told = f"{percent}, {report.pairs:,} requests compared"
    if lasted < stage.duration:
        left = span_text(timedelta(seconds=-(-(stage.duration - lasted).total_seconds() // 1)))
        return _verdict(Choice.WAIT, "Shadowing", f"{told}; {left} left")
    if missing and lasted < stage.duration + spec.maximum_wait:
        needed = f"{told}; {missing:,} more are needed"
        return _verdict(Choice.HOLD, "NotEnoughData", needed).model_copy(update={"missing": missing})
    if agreement is None or missing:
        choice = {"advance": Choice.ADVANCE, "roll_back": Choice.ROLL_BACK, "hold": Choice.HOLD}
        return _verdict(choice[spec.when_data_is_missing], "DataMissing", f"{told}; {missing:,} are missing")
    if agreement < stage.minimum_agreement:
        found = Finding(guard="shadow", state="failed", message=f"{told}; at least {stage.minimum_agreement:.2%} must")
        return _verdict(Choice.ROLL_BACK, "GuardFailed", f"shadow: {found.message}", found)
    return _verdict(Choice.ADVANCE, "ShadowPassed", told)


def paused(spec: Rollout, verdict: Verdict) -> Verdict:
    """The verdict, but that nothing goes on in a pause."""
    if not spec.paused or verdict.choice is not Choice.ADVANCE:
        return verdict
    return verdict.model_copy(
        update={"choice": Choice.HOLD, "reason": "Paused", "message": f"paused; else: {verdict.message}"}
    )


def _most(status: RolloutStatus) -> str | None:
    """The old deployment with the most traffic."""
    return max(status.old, key=lambda name: status.before.get(name, 0), default=None)


def _verdict(choice: Choice, reason: str, message: str, *found: Finding) -> Verdict:
    return Verdict(choice=choice, reason=reason, message=message, findings=found)

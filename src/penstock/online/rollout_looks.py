"""What rollouts have seen of their deployments in the present step; kept in memory, for it can be seen again."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from penstock.domain.rollout import Finding, Rollout, RolloutStatus
from penstock.online.evidence import Evidence
from penstock.online.exposition import Exposition
from penstock.online.guards import PATIENCE, findings, setting_of
from penstock.online.outputs import predictions
from penstock.online.rollout_checks import Checks
from penstock.online.shift import MOST_ROWS, Row
from penstock.telemetry.series import Window, Windows, joined
from penstock.telemetry.tape import Tapes

_ROLLING = timedelta(seconds=60)  # tapes roll on for so long after the last look
_TAPE_INTERVAL = timedelta(seconds=2)
_AT_A_TIME = 8  # URLs and metrics that are asked
_ROWS_PER_SECOND = 300  # exchanges on tape: enough for the test, and little work


@dataclass
class Look:
    """One step of one attempt. `until` is how far windows, and `taped` how far each deployment's tape has been read."""

    mark: tuple[str, int, int]
    until: datetime
    tapes_read_at: datetime
    taped: dict[str, datetime] = field(default_factory=dict[str, datetime])
    evidence: Evidence = field(default_factory=Evidence)
    checks: Checks = field(default_factory=Checks)


class Looks:
    """Looks at a rollout's deployments, about once a second."""

    def __init__(self, windows: Windows, tapes: Tapes, metrics: Callable[[], Exposition]) -> None:
        self._windows = windows
        self._tapes = tapes
        self._metrics = metrics
        self._looks: dict[str, Look] = {}
        self._pool = ThreadPoolExecutor(_AT_A_TIME, "rollout-checks")

    def look(
        self, name: str, spec: Rollout, status: RolloutStatus, now: datetime
    ) -> tuple[Evidence, tuple[Finding, ...]]:
        """All that is known of the present step, and what the guards say of it."""
        look = self._of(name, status, now)
        endpoint, _, _ = name.partition("/")
        self._read_windows(look, endpoint, spec, status, now)
        if spec.guards.predictions is not None and now - look.tapes_read_at >= _TAPE_INTERVAL:
            self._read_tapes(look, endpoint, spec, status, now)
        alone = spec.stages[status.step].percent == 100
        patient = now - (status.step_since or now) >= min(PATIENCE, spec.bake_of(status.step))
        setting = setting_of(spec.guards, len(spec.stages), alone=alone, reference=status.reference, patient=patient)
        found = findings(spec.guards, look.evidence, setting)
        deployments = f"{endpoint}/{spec.to}", tuple(f"{endpoint}/{old}" for old in status.old)
        checked = look.checks.findings(spec.guards, deployments, self._metrics, now, self._pool)
        return look.evidence, (*found, *checked)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def forget(self, name: str) -> None:
        self._looks.pop(name, None)

    def _of(self, name: str, status: RolloutStatus, now: datetime) -> Look:
        mark = (status.to_uid or "", status.attempt, status.step)
        look = self._looks.get(name)
        if look is None or look.mark != mark:
            since = max(status.step_since or now, now - timedelta(minutes=50))
            # What failed last time counts on: steps may be shorter than it takes to fail three times.
            checks = look.checks if look is not None and look.mark[:2] == mark[:2] else Checks()
            look = self._looks[name] = Look(mark, since, since - _TAPE_INTERVAL, checks=checks)
        return look

    def _read_windows(self, look: Look, endpoint: str, spec: Rollout, status: RolloutStatus, now: datetime) -> None:
        new = self._windows.window(f"{endpoint}/{spec.to}", look.until, now)
        olds = [self._windows.window(f"{endpoint}/{name}", look.until, now) for name in status.old]
        old = _together(olds, look.until, now)
        look.evidence = look.evidence.with_look(new, old)
        look.until = now

    def _read_tapes(self, look: Look, endpoint: str, spec: Rollout, status: RolloutStatus, now: datetime) -> None:
        columns = spec.guards.predictions.columns if spec.guards.predictions is not None else ()
        share = _share(look.evidence)
        rows: dict[bool, list[Row]] = {True: [], False: []}
        for name in (spec.to, *status.old):
            self._tapes.roll(endpoint, name, _ROLLING, share)
            for exchange in self._tapes.exchanges(endpoint, name, look.taped.get(name, status.step_since or now)):
                look.taped[name] = exchange.at
                if exchange.status < 300:
                    rows[name == spec.to] += predictions(exchange.answer, columns)
        if len(look.evidence.new_rows) < MOST_ROWS:
            look.evidence = look.evidence.with_rows(rows[True], rows[False])
        look.tapes_read_at = now


def _together(windows: Sequence[Window], start: datetime, end: datetime) -> Window:
    """One window of several deployments that served at the same time."""
    return replace(joined(windows, start, end), seconds=max((each.seconds for each in windows), default=0.0))


def _share(evidence: Evidence) -> float:
    new, old = evidence.new, evidence.old
    rates = [each.requests / each.seconds for each in (new, old) if each is not None and each.seconds > 0]
    return min(1.0, _ROWS_PER_SECOND / max(rates)) if rates and max(rates) > 0 else 1.0

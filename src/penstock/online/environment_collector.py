"""Removes environments that no deployment uses any more: daily, and when a user asks."""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from pathlib import Path

from penstock.control.loop import STOP, Loop
from penstock.control.resources import Resources
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.environments.base import Environments, Unused
from penstock.preparation.preparation import read_build

log = logging.getLogger(__name__)

_FIRST = timedelta(minutes=5)  # after the start, which has enough to do
_EVERY = timedelta(days=1)
_AFTER_ERROR = timedelta(hours=1)


class EnvironmentCollector:
    """Collects what was not used for `unused_for`; never by itself if that is None.

    `apps` hold the files of revisions, with a note of the environment that each was started with. `also_used` names
    the environments of other processes of the platform.
    """

    def __init__(
        self,
        environments: Environments,
        resources: Resources,
        apps: Sequence[Path],
        also_used: Callable[[], Collection[str]],
        unused_for: timedelta | None,
    ) -> None:
        self._environments = environments
        self._resources = resources
        self._apps = apps
        self._also_used = also_used
        self._unused_for = unused_for
        self._begun = False
        self._loop = Loop("environments", self.step, _AFTER_ERROR)

    def start(self) -> None:
        if self._unused_for is not None:
            self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """False if it is still removing something after `timeout`; that may be cut off anywhere."""
        return self._loop.stop(timeout)

    def step(self) -> timedelta:
        """Collect, but not at the first call; returns when to do so again. Raises what the store raises."""
        if not self._begun:
            self._begun = True
            return _FIRST
        if self._unused_for is not None:
            self.collect(self._unused_for)
        return _EVERY

    def preview(self, unused_for: timedelta) -> Sequence[Unused]:
        """What `collect` would remove."""
        return self._environments.unused(self._used(), unused_for)

    def collect(self, unused_for: timedelta) -> Sequence[Unused]:
        """Remove what nobody has used for so long; returns what is gone."""
        return self._environments.collect(self._used(), unused_for)

    def _used(self) -> frozenset[str]:
        """What deployments run from, their instances and jobs too, and what the platform itself uses."""
        served = {deployment.status.environment for deployment in self._resources.list(ONLINE_DEPLOYMENT)}
        served |= {deployment.status.environment for deployment in self._resources.list(BATCH_DEPLOYMENT)}
        notes = (note for apps in self._apps for note in apps.glob("*/*/*/environment.json"))
        running = {read_build(note.parent) for note in notes}
        return frozenset(fingerprint for fingerprint in (*served, *running, *self._also_used()) if fingerprint)

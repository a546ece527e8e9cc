"""What removes environments that nobody uses and records that are too old, and what says why one cannot be built."""

from dataclasses import dataclass
from datetime import timedelta

from penstock.online.environment_collector import EnvironmentCollector
from penstock.online.environment_doctor import EnvironmentDoctor
from penstock.online.record_keeper import RecordKeeper
from penstock.outside import own_environments
from penstock.parts.ground import Ground


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    environment_collector: EnvironmentCollector
    environment_doctor: EnvironmentDoctor
    record_keeper: RecordKeeper


def upkeep(ground: Ground) -> Upkeep:
    settings, outside = ground.settings, ground.outside
    return Upkeep(
        environment_collector=EnvironmentCollector(
            outside.environments,
            ground.resources,
            (settings.home / "apps", settings.home / "batch"),
            lambda: own_environments(settings, outside.environments),
            _days(settings.environment_days),
        ),
        environment_doctor=EnvironmentDoctor(ground.resources, ground.models, outside.artifacts, outside.environments),
        record_keeper=RecordKeeper(settings.collected_folder, _days(settings.collected_days), ground.clock.now),
    )


def _days(count: int) -> timedelta | None:
    """None: for ever."""
    return timedelta(days=count) if count > 0 else None

"""What deployments did in each of the last minutes, as Azure Monitor's metrics."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from penstock.control.clock import Clock
from penstock.control.resources import Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.errors import invalid
from penstock.domain.observation import Minute
from penstock.telemetry.azure_metrics import METRICS, azure_value
from penstock.telemetry.series import Windows

_MINUTE = timedelta(minutes=1)


class Minutes:
    """Calls may come from any thread."""

    def __init__(self, resources: Resources, windows: Windows, clock: Clock) -> None:
        self._resources = resources
        self._windows = windows
        self._clock = clock

    def last(self, endpoint: str, deployment: str, metrics: Sequence[str], count: int) -> Sequence[Minute]:
        """The last `count` minutes of each deployment of an endpoint, or of one, the present minute with them.

        Without `metrics`, all. Raises `not_found`, and `invalid` for a metric that is not known.
        """
        unknown = sorted(set(metrics) - METRICS.keys())
        if unknown:
            raise invalid(f"there is no metric {unknown[0]!r}; there are {', '.join(METRICS)}")
        first = self._clock.now().replace(second=0, microsecond=0) - (count - 1) * _MINUTE
        starts = [first + n * _MINUTE for n in range(count)]
        names = self._names(endpoint, deployment)
        return [self._minute(name, start, metrics or tuple(METRICS)) for name in names for start in starts]

    def _names(self, endpoint: str, deployment: str) -> Sequence[str]:
        self._resources.get(ONLINE_ENDPOINT, endpoint)
        if deployment:
            return [self._resources.get(ONLINE_DEPLOYMENT, f"{endpoint}/{deployment}").name]
        return [each.name for each in self._resources.list(ONLINE_DEPLOYMENT, f"{endpoint}/")]

    def _minute(self, name: str, start: datetime, metrics: Sequence[str]) -> Minute:
        window = self._windows.window(name, start, start + _MINUTE)
        values = {metric: azure_value(metric, window) for metric in metrics}
        return Minute(deployment=name.partition("/")[2], at=start, seconds=window.seconds, values=values)

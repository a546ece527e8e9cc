"""Makes golden requests of live traffic: has it taped, and chooses from the tape."""

from datetime import UTC, timedelta

from penstock.control.clock import Clock
from penstock.control.resources import Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.errors import invalid
from penstock.domain.golden import Recording, RecordingRequest
from penstock.online.golden_selection import select
from penstock.telemetry.tape import Tapes

_LASTING = timedelta(seconds=60)  # of the tape, after whoever records was heard of last


class GoldenRecorder:
    def __init__(self, resources: Resources, tapes: Tapes, clock: Clock) -> None:
        self._resources = resources
        self._tapes = tapes
        self._clock = clock

    def recorded(self, endpoint: str, wanted: RecordingRequest) -> Recording:
        """Have a deployment taped for another minute, and choose from what its tape holds since `wanted.since`.

        Without `since` that is now. Without a deployment it is the one with most of the endpoint's traffic. Raises
        `not_found` for what does not exist, `invalid` for an endpoint without traffic.
        """
        name = wanted.deployment or self._live(endpoint)
        self._resources.get(ONLINE_DEPLOYMENT, f"{endpoint}/{name}")
        since = wanted.since or self._clock.now()
        if since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        self._tapes.roll(endpoint, name, _LASTING)
        exchanges = self._tapes.exchanges(endpoint, name, since)
        distinct, chosen = select(exchanges, wanted.count, wanted.redact)
        return Recording(deployment=name, since=since, seen=len(exchanges), distinct=distinct, requests=tuple(chosen))

    def _live(self, endpoint: str) -> str:
        traffic = self._resources.get(ONLINE_ENDPOINT, endpoint).spec.traffic
        name = max(sorted(traffic), key=lambda each: traffic[each], default=None)
        if name is None or not traffic[name]:
            raise invalid(f"endpoint {endpoint!r} has no traffic to record: give --deployment, and send it requests")
        return name

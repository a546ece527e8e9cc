"""Shadow reports."""

from penstock.client.resources import understood
from penstock.client.transport import Transport
from penstock.domain.names import check_name
from penstock.domain.shadow import ShadowReport


class Shadows:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def report(
        self, endpoint: str, deployment: str | None = None, *, live: str | None = None, minutes: float = 60
    ) -> ShadowReport:
        """How a shadow's answers of the last minutes (60 at most) compare with those of the live deployment.

        Names may be left out where there is one mirror. Raises `not_found` for an endpoint without mirror traffic.
        """
        path = f"/online-endpoints/{check_name('endpoint', endpoint)}/shadow"
        query = {"deployment": deployment, "live": live, "minutes": str(minutes)}
        return understood(ShadowReport, self._transport.get(path, query))

"""How deployments that serve are doing: looks, traces, diagnoses."""

from collections.abc import Sequence

from penstock.client.resources import understood, understood_items
from penstock.client.transport import Transport
from penstock.domain.names import check_name
from penstock.domain.observation import Diagnosis, Evidence, Look, Minute


class Observations:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def look(self, endpoint: str | None = None, deployment: str | None = None) -> Sequence[Look]:
        """What instances say of themselves, by deployment."""
        query = {"endpoint": endpoint, "deployment": deployment}
        return understood_items(Look, self._transport.get("/observations", query))

    def minutes(
        self, endpoint: str, deployment: str | None = None, minutes: int = 10, metrics: Sequence[str] = ()
    ) -> Sequence[Minute]:
        """Azure Monitor's metrics of the last minutes, by deployment; without `metrics`, all of them."""
        query = {"deployment": deployment, "minutes": minutes, "metric": ",".join(metrics) or None}
        path = f"/online-endpoints/{check_name('endpoint', endpoint)}/metrics"
        return understood_items(Minute, self._transport.get(path, query))

    def trace(self, endpoint: str, deployment: str, seconds: float) -> Look:
        """Have the instances note for so many seconds what run() does; the look from just before."""
        path = f"{_path(endpoint, deployment)}/trace?seconds={seconds:.1f}"
        return understood(Look, self._transport.post(path))

    def diagnose(self, endpoint: str, deployment: str, evidence: Evidence) -> Diagnosis:
        """Where the time goes and why."""
        answer = self._transport.post(f"{_path(endpoint, deployment)}/diagnosis", evidence.model_dump(mode="json"))
        return understood(Diagnosis, answer)

    def sample(self, endpoint: str, deployment: str) -> bytes:
        """The deployment's sample request. Raises `not_found` if it has none."""
        return self._transport.send("GET", f"{_path(endpoint, deployment)}/sample").content


def _path(endpoint: str, deployment: str) -> str:
    name = check_name("deployment", deployment)
    return f"/online-endpoints/{check_name('endpoint', endpoint)}/deployments/{name}"

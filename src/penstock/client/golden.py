"""Golden requests: checks of deployments, and recordings of live traffic."""

from collections.abc import Sequence

from penstock.client.resources import understood
from penstock.client.transport import Transport
from penstock.domain.golden import (
    GoldenRequest,
    GoldenRequests,
    GoldenResult,
    Recording,
    RecordingRequest,
    Settling,
)
from penstock.domain.names import check_name


class GoldenClient:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def check(self, endpoint: str, deployment: str, requests: Sequence[GoldenRequest]) -> GoldenResult:
        """Whether the deployment answers as expected; it need not have traffic."""
        sent = GoldenRequests(requests=tuple(requests)).model_dump(mode="json")
        return understood(GoldenResult, self._transport.post(_path(endpoint, deployment, "check"), sent))

    def recording(self, endpoint: str, wanted: RecordingRequest) -> Recording:
        """Have live traffic taped for another minute, and the requests chosen from the tape since `wanted.since`."""
        path = f"/online-endpoints/{check_name('endpoint', endpoint)}/golden/recording"
        return understood(Recording, self._transport.post(path, wanted.model_dump(mode="json")))

    def settled(
        self, endpoint: str, deployment: str, requests: Sequence[GoldenRequest], *, renewed: bool
    ) -> Sequence[GoldenRequest]:
        """The requests after the deployment was asked once more: what its answers differ in is ignored."""
        sent = Settling(requests=tuple(requests), renewed=renewed).model_dump(mode="json")
        return understood(GoldenRequests, self._transport.post(_path(endpoint, deployment, "settle"), sent)).requests


def _path(endpoint: str, deployment: str, verb: str) -> str:
    names = check_name("endpoint", endpoint), check_name("deployment", deployment)
    return f"/online-endpoints/{names[0]}/deployments/{names[1]}/golden/{verb}"

"""What deployments have collected: what there is, and its records."""

from collections.abc import Iterator
from datetime import datetime

from penstock.client.resources import Answer, understood_items
from penstock.client.transport import Transport
from penstock.domain.names import check_name


class Collection(Answer):
    """What there is of one collection; `records` is None where there are too many to be counted."""

    name: str
    records: int | None
    bytes: int
    first: datetime
    last: datetime


class Collections:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, endpoint: str, deployment: str) -> list[Collection]:
        """The collections that have records, also of a deployment that is gone."""
        return understood_items(Collection, self._transport.get(f"{_path(endpoint, deployment)}/collections"))

    def records(
        self, endpoint: str, deployment: str, collection: str | None, start: datetime, end: datetime, *, form: str
    ) -> Iterator[bytes]:
        """The records from `start` until before `end`, as a file of the form `jsonl`, `parquet` or `csv`.

        Without a collection: the inputs of the model, each row with its output; not as `jsonl`.
        """
        query = {"start": start.isoformat(), "end": end.isoformat(), "format": form}
        if collection is not None:
            query["collection"] = collection
        return self._transport.stream(f"{_path(endpoint, deployment)}/records", query)


def _path(endpoint: str, deployment: str) -> str:
    checked = check_name("endpoint", endpoint), check_name("deployment", deployment)
    return f"/online-endpoints/{checked[0]}/deployments/{checked[1]}"

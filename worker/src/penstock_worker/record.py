"""One record of a collection, and its line in Azure's form: a CloudEvent as JSON."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from penstock_worker import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT = f"penstock/{contract.VERSION}"
FRAME = "pandas.core.frame.DataFrame"
JSON = "application/json"
MAX_LINE_BYTES = 4 * 1024 * 1024  # of the data in a line; more goes into a file of its own


class Content(NamedTuple):
    """Data of a record: JSON in one line; or `beside` that, anything, for a file of its own."""

    data: bytes
    beside: bool = False


class Record(NamedTuple):
    """What is to be written once there is time. `content` makes the data and may raise anything.

    `size` is about how many bytes are kept in memory for it; `seconds` is the time of the event since 1970.
    """

    collection: str
    correlation: str
    request_id: str  # of the HTTP request, empty if unknown
    seconds: float
    size: int
    content: Callable[[], Content]
    data_type: str = FRAME
    content_type: str = JSON
    agent: str = AGENT
    model_version: str = ""
    extra: Mapping[str, Any] = {}


def line_of(record: Record, identifier: str, source: str, data: bytes, *, beside: bool) -> bytes:
    """The line with `data`, JSON in one line; `beside`: it names the file with the data."""
    head: dict[str, Any] = {
        "specversion": "1.0",
        "id": identifier,
        "source": source,
        "type": f"azureml.inference.{record.collection}",
        "datacontenttype": record.content_type,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.seconds)),
    }
    tail: dict[str, Any] = {
        "contentrange": f"bytes 0-{max(len(data) - 1, 0)}/{len(data)}",
        "correlationid": record.correlation,
        "xrequestid": record.request_id,
        "modelversion": record.model_version,
        "collectdatatype": record.data_type,
        "agent": record.agent,
    }
    if beside:
        tail["datainblob"] = "true"
    tail.update((name, value) for name, value in record.extra.items() if name not in head and name not in tail)
    opening, ending = (json.dumps(part)[1:-1].encode("ascii") for part in (head, tail))
    return b'{%b, "data": %b, %b}\n' % (opening, data, ending)


def content_of(body: bytes) -> Content:
    """Content that came as bytes: JSON as it is, other text as a JSON string, and anything else beside."""
    if len(body) > MAX_LINE_BYTES:
        return Content(body, beside=True)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return Content(body, beside=True)
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return Content(json.dumps(text).encode("ascii"))
    # Outside of its strings, JSON may be broken into lines anywhere; inside, it cannot be.
    return Content(body.replace(b"\r", b" ").replace(b"\n", b" "))


def _refuse(name: str) -> None:
    raise ValueError(name)

"""One record of a collection, and its line in Azure's form: a CloudEvent as JSON."""

from __future__ import annotations

import json
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from penstock_worker import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT = f"penstock/{contract.VERSION}"
FRAME = "pandas.core.frame.DataFrame"
JSON = "application/json"
MAX_LINE_BYTES = 4 * 1024 * 1024  # of the data in a line; more goes into a file of its own

_PLAIN = re.compile(r"[-._:A-Za-z0-9]*").fullmatch
_FIELDS = frozenset(
    ("specversion", "id", "source", "type", "datacontenttype", "time", "data", "datainblob")
) | frozenset(("contentrange", "correlationid", "xrequestid", "modelversion", "collectdatatype", "agent"))


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
    size = len(data)
    return b'{%b, "id": "%b", "time": "%b", "data": %b, "contentrange": "bytes 0-%d/%d", %b, %b%b}\n' % (
        _head(source, record.collection, record.content_type),
        identifier.encode("ascii"),
        _time(int(record.seconds)),
        data,
        max(size - 1, 0),
        size,
        _ids(record.correlation, record.request_id),
        _tail(record.model_version, record.data_type, record.agent),
        _extra(record.extra, beside=beside) if record.extra or beside else b"",
    )


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


# Nearly all records of a collection share these; to spell them anew costs most of what a record costs.


@lru_cache(maxsize=64)
def _head(source: str, collection: str, content_type: str) -> bytes:
    kind = f"azureml.inference.{collection}"
    return _fields({"specversion": "1.0", "source": source, "type": kind, "datacontenttype": content_type})


@lru_cache(maxsize=64)
def _tail(model_version: str, data_type: str, agent: str) -> bytes:
    return _fields({"modelversion": model_version, "collectdatatype": data_type, "agent": agent})


@lru_cache(maxsize=8)
def _time(seconds: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)).encode("ascii")


def _ids(correlation: str, request_id: str) -> bytes:
    if _PLAIN(correlation) and _PLAIN(request_id):
        return b'"correlationid": "%b", "xrequestid": "%b"' % (correlation.encode("ascii"), request_id.encode("ascii"))
    return _fields({"correlationid": correlation, "xrequestid": request_id})


def _extra(extra: Mapping[str, Any], *, beside: bool) -> bytes:
    more = {name: value for name, value in extra.items() if name not in _FIELDS}
    if beside:
        more["datainblob"] = "true"
    return b", " + _fields(more) if more else b""


def _fields(fields: Mapping[str, Any]) -> bytes:
    """The inside of a JSON object."""
    return json.dumps(fields)[1:-1].encode("ascii")

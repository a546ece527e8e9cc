"""What requests leave behind for the collector: inputs and outputs of MLflow models, and bodies as they came and went.

Only references are kept while a request is answered, and a copy of what the model might write into.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.collection import INPUTS, OUTPUTS, REQUEST, RESPONSE
from penstock_worker.ids import LONGEST, new_id
from penstock_worker.inputs import ARRAY, COLUMNS, MATRIX, Input
from penstock_worker.outputs import encode
from penstock_worker.record import JSON, Content, Record, content_of
from penstock_worker.rows import column_rows, matrix_rows, rows_of
from penstock_worker.sampling import sampled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.collector import Collector
    from penstock_worker.entry import Call, Reader
    from penstock_worker.messages import Request, Response
    from penstock_worker.model import Model
    from penstock_worker.scoring import Deliver

_ID = b"x-request-id"
_WHOLE = ("integer", "long")
_BODY_TYPE = "bytes"


class Capture:
    """Lets `collector` see requests and their answers. `model` is what is served, if it is no script."""

    def __init__(self, collector: Collector, model: Model | None) -> None:
        self._collector = collector
        rates = collector.collections.rates
        self._payloads = REQUEST in rates or RESPONSE in rates
        self._highest = max(rates.get(INPUTS, 0.0), rates.get(OUTPUTS, 0.0))
        self._model = model if INPUTS in rates or OUTPUTS in rates else None

    def delivering(self, request: Request, deliver: Deliver) -> Deliver:
        """`deliver`, and then the bodies kept if they are asked for. Gives the request an id if it has none."""
        identifier = request.headers.get(_ID)
        if not identifier:
            identifier = request.headers[_ID] = new_id()
        self._collector.request_id = identifier
        if not self._payloads or len(identifier) > LONGEST:
            return deliver
        collector, now = self._collector, time.time()
        kept = [name for name in (REQUEST, RESPONSE) if collector.wants(name, identifier)]
        return partial(self._deliver, request, deliver, kept, now) if kept else deliver

    def reading(self, read: Reader) -> Reader:
        """`read`, so that what it reads and what is answered are kept. Scripts collect by themselves."""
        if self._model is None:
            return read
        signature = self._model.signature
        fields = () if signature is None or signature.tensors else signature.fields
        names = [place if field.name is None else field.name for place, field in enumerate(fields)]
        whole = [place for place, field in enumerate(fields) if field.type in _WHOLE]
        return partial(self._read, read, names, whole)

    def _deliver(self, request: Request, deliver: Deliver, kept: Sequence[str], now: float, response: Response) -> None:
        deliver(response)
        identifier = request.headers[_ID].decode("latin-1")
        if REQUEST in kept:
            self._collector.put(
                Record(
                    REQUEST,
                    identifier,
                    identifier,
                    now,
                    len(request.body),
                    partial(content_of, request.body),
                    _BODY_TYPE,
                    request.headers.get(b"content-type", JSON.encode()).decode("latin-1"),
                    extra={"method": request.method, "path": request.path, **self._headers(request)},
                )
            )
        if RESPONSE not in kept:
            return
        if response.stream is not None:
            self._collector.drop(RESPONSE)  # it is sent piece by piece, and never whole in memory
            return
        extra = {"status": response.status}
        data = partial(content_of, response.body)
        size = len(response.body)
        self._collector.put(Record(RESPONSE, identifier, identifier, now, size, data, _BODY_TYPE, extra=extra))

    def _headers(self, request: Request) -> dict[str, Any]:
        wanted = ((name, request.headers.get(name.encode("latin-1"))) for name in self._collector.collections.headers)
        found = {name: value.decode("latin-1") for name, value in wanted if value is not None}
        return {"headers": found} if found else {}

    def _read(self, read: Reader, names: Sequence[Any], whole: Sequence[int], request: Request) -> Call:
        call = read(request)
        identifier = request.headers[_ID]
        if sampled(identifier, self._highest):  # a lower rate keeps none that a higher one does not
            inputs, outputs = (self._collector.wants(name, identifier) for name in (INPUTS, OUTPUTS))
            text, now, size = identifier.decode("latin-1"), time.time(), len(request.body)
            if inputs:
                content = _input_content(call.input, names, whole)
                self._collector.put(Record(INPUTS, text, text, now, size, content))
            if outputs:
                call.answer = partial(self._answer, call.answer, text, now, size)
        return call

    def _answer(
        self, answer: Callable[[Any], Response], identifier: str, now: float, size: int, result: Any
    ) -> Response:
        response = answer(result)
        size = max(size, len(response.body))
        self._collector.put(Record(OUTPUTS, identifier, identifier, now, size, partial(_output, result)))
        return response


def _input_content(data: Input, names: Sequence[Any], whole: Sequence[int]) -> Callable[[], Content]:
    """Makes the rows of an input, later. Models may write into arrays that they are given, so these are copied."""
    if data.kind == MATRIX:
        return partial(_matrix, data.value.copy(), names, whole)
    if data.kind == COLUMNS:
        return partial(_columns, data.value, data.rows)
    return partial(_output, data.value.copy() if data.kind == ARRAY or hasattr(data.value, "copy") else data.value)


def _matrix(matrix: Any, names: Sequence[Any], whole: Sequence[int]) -> Content:
    return Content(encode(matrix_rows(matrix, names, whole), wrapped=False))


def _columns(columns: dict[Any, list[Any]], rows: int) -> Content:
    return Content(encode(column_rows(columns, rows), wrapped=False))


def _output(value: Any) -> Content:
    return Content(encode(rows_of(value), wrapped=False))

"""A request of the Open Inference Protocol (V2) for a prediction, and the response to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from penstock_worker.fast_json import dumps
from penstock_worker.kinds import is_list, is_object, kind_of
from penstock_worker.messages import JSON_LINE, NOT_FAILED, Response
from penstock_worker.payload import parsed
from penstock_worker.tensors_wire import SIZE, Tensor, fault, listed, packed, tensors_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock_worker.messages import Request

HEAD_LENGTH = b"inference-header-content-length"
_JSON_LINES = JSON_LINE + NOT_FAILED
_BINARY_LINES = b"content-type: application/octet-stream\r\ninference-header-content-length: %d\r\n" + NOT_FAILED


@dataclass(frozen=True)
class InferRequest:
    """What is asked for. `outputs` says of each wanted output whether its data is to come as bytes; empty: all.

    `binary` is how outputs come of which nothing is said.
    """

    id: str
    parameters: Mapping[str, Any]
    inputs: Sequence[Tensor]
    outputs: Mapping[str, bool]
    binary: bool

    def response(self, outputs: Sequence[Tensor], head: Mapping[str, Any]) -> Response:
        """The response with those of `outputs` that are wanted; `head` names model and version."""
        wanted = self.outputs or dict.fromkeys((tensor.name for tensor in outputs), self.binary)
        by_name = {tensor.name: tensor for tensor in outputs}
        unknown = [name for name in wanted if name not in by_name]
        if unknown:
            return _refused(f"output {unknown[0]!r} is not known; the model gives {', '.join(by_name)}")
        described: list[dict[str, Any]] = []
        pieces: list[bytes] = []
        for name, binary in wanted.items():
            tensor = by_name[name]
            each = {"name": name, "datatype": tensor.datatype, "shape": list(tensor.array.shape)}
            if binary:
                pieces.append(packed(tensor))
                described.append({**each, "parameters": {SIZE: len(pieces[-1])}})
                continue
            try:
                described.append({**each, "data": listed(tensor)})
            except UnicodeDecodeError:
                return _refused(f"output {name!r} holds bytes that are no text: ask for it with binary_data")
        told = {**head, **({"id": self.id} if self.id else {}), "outputs": described}
        return _together(_json(told), pieces)


def infer_request_of(request: Request, numpy: Any) -> InferRequest:
    """The request that `request` holds; raises `BadInputError` in the protocol's form."""
    head, rest = _parts(request)
    told = _object(head)
    parameters = told.get("parameters")
    if parameters is not None and not is_object(parameters):
        raise fault(f"parameters must be an object; it is {kind_of(parameters)}")
    parameters = parameters or {}
    name = told.get("id")
    if name is not None and not isinstance(name, str):
        raise fault(f"id must be a string; it is {kind_of(name)}")
    binary = parameters.get("binary_data_output") is True
    return InferRequest(
        id=name or "",
        parameters=parameters,
        inputs=tensors_in(told.get("inputs"), rest, numpy),
        outputs=_wanted(told.get("outputs"), binary=binary),
        binary=binary,
    )


def _parts(request: Request) -> tuple[bytes, memoryview]:
    """The JSON, and the data behind it."""
    body, text = request.body, request.headers.get(HEAD_LENGTH)
    if text is None:
        return body, memoryview(b"")
    if not text.isdigit() or len(text) > 12 or int(text) > len(body):
        raise fault(f"Inference-Header-Content-Length must be a number of bytes, at most {len(body)}")
    length = int(text)
    return body[:length], memoryview(body)[length:]


def _object(head: bytes) -> dict[str, Any]:
    told = parsed(head)
    if not is_object(told):
        raise fault(f"the request must be a JSON object; it is {kind_of(told)}")
    return told


def _wanted(outputs: object, *, binary: bool) -> dict[str, bool]:
    if outputs is None:
        return {}
    if not is_list(outputs):
        raise fault(f"outputs must be a list; it is {kind_of(outputs)}")
    wanted: dict[str, bool] = {}
    for place, each in enumerate(outputs):
        if not is_object(each) or not isinstance(each.get("name"), str):
            raise fault(f"outputs[{place}] must be an object with a name")
        parameters = each.get("parameters")
        said = parameters.get("binary_data") if is_object(parameters) else None
        if is_object(parameters) and parameters.get("classification"):
            raise fault(f"output {each['name']!r}: the classification extension is not supported")
        wanted[cast(str, each["name"])] = binary if said is None else said is True
    return wanted


def _json(value: dict[str, Any]) -> bytes:
    try:
        return dumps(value)
    except (ValueError, TypeError):
        return json.dumps(value).encode("ascii")  # not all of Python's numbers are JSON's: NaN as Triton writes it


def _together(head: bytes, pieces: Sequence[bytes]) -> Response:
    if not pieces:
        return Response(200, head, _JSON_LINES)
    return Response(200, head + b"".join(pieces), _BINARY_LINES % len(head))


def _refused(message: str) -> Response:
    return Response(400, json.dumps({"error": message}).encode("ascii"), _JSON_LINES)

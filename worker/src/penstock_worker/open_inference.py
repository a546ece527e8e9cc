"""The Open Inference Protocol (V2), and KServe's V1, for whatever is served: their routes, beside those of Azure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from penstock_worker import contract
from penstock_worker.kinds import is_object
from penstock_worker.messages import NOT_FAILED, BadInputError, Request, Response, json_response
from penstock_worker.tensors_wire import fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.capture import Capture
    from penstock_worker.entry import Call, Reader
    from penstock_worker.scoring import Deliver, Scorer

PREFIXES = ("/v2", "/v1/")
_EXTENSIONS = ["binary_tensor_data"]
_LIVE, _READY = {"live": True}, {"ready": True}


class Dialect(Protocol):
    """An entry as these protocols see it. `inputs` and `outputs` are those of its metadata, as JSON has them."""

    platform: str
    inputs: Sequence[dict[str, Any]]
    outputs: Sequence[dict[str, Any]]

    def infer(self, name: str, version: str) -> Reader:
        """Who reads V2 requests for a prediction, which call the model so."""
        ...

    def predict(self, request: Request) -> Call:
        """The call of a V1 request; raises `BadInputError`."""
        ...


@dataclass(frozen=True)
class _Place:
    """What a path names: a model, perhaps its version, and what of it."""

    model: str
    version: str | None
    what: str


class OpenInference:
    """Takes requests to `/v2...` and `/v1/...`. `names` are those that the model may be called by."""

    def __init__(
        self, dialect: Dialect, scorer: Scorer, names: Sequence[str], version: str, capture: Capture | None = None
    ) -> None:
        self._dialect = dialect
        self._scorer = scorer
        self._capture = capture
        self._names = tuple(names)
        self._version = version

    def take(self, request: Request, deliver: Deliver) -> None:
        """Answer `request`; `deliver` is called exactly once. Never raises."""
        try:
            answer = self._answer(request)
        except BadInputError as error:
            deliver(json_response(error.status, error.body, NOT_FAILED))
            return
        if isinstance(answer, Response):
            deliver(answer)
        else:
            read = answer if self._capture is None else self._capture.reading(answer)
            self._scorer.take(request, read, lambda response: deliver(_in_protocol(response)))

    def _answer(self, request: Request) -> Response | Reader:
        """The page at the path, or who reads a request for a prediction there."""
        version, _, rest = request.path[1:].rstrip("/").partition("/")
        parts = rest.split("/") if rest else []
        if version == "v1":
            return self._v1(request, parts)
        if version != "v2":
            raise _nothing(request)
        if parts[:1] == ["models"] and len(parts) > 1:
            return self._v2_model(request, parts[1:])
        pages: dict[str, dict[str, Any]] = {
            "": {"name": "penstock", "version": contract.VERSION, "extensions": _EXTENSIONS},
            "health/live": _LIVE,
            "health/ready": _READY,
        }
        return _page(request, pages.get(rest))

    def _v2_model(self, request: Request, parts: Sequence[str]) -> Response | Reader:
        place = _place(parts)
        if place is None:
            raise _nothing(request)
        self._check(place)
        if place.what == "infer":
            _only(request, "POST")
            return self._dialect.infer(place.model, self._version)
        pages = {"": self._metadata(place.model), "ready": {"name": place.model, **_READY}}
        return _page(request, pages.get(place.what))

    def _v1(self, request: Request, parts: Sequence[str]) -> Response | Reader:
        if list(parts) == ["models"]:
            return _page(request, {"models": list(self._names)})
        if len(parts) != 2 or parts[0] != "models":
            raise _nothing(request)
        name, _, verb = parts[1].partition(":")
        self._check(_Place(name, None, verb))
        if verb == "predict":
            _only(request, "POST")
            return self._dialect.predict
        return _page(request, None if verb else {"name": name, **_READY})

    def _metadata(self, name: str) -> dict[str, Any]:
        dialect = self._dialect
        told = {"name": name, "versions": [self._version], "platform": dialect.platform}
        return {**told, "inputs": dialect.inputs, "outputs": dialect.outputs}

    def _check(self, place: _Place) -> None:
        if place.model not in self._names:
            raise fault(f"no model {place.model!r} is served here; its name is {' or '.join(self._names)}", 404)
        if place.version not in (None, self._version):
            raise fault(f"model {place.model!r} has version {self._version} here, not {place.version}", 404)


def _place(parts: Sequence[str]) -> _Place | None:
    name, *more = parts
    version = None
    if more[:1] == ["versions"] and len(more) > 1:
        version, more = more[1], more[2:]
    return _Place(name, version, more[0] if more else "") if len(more) < 2 else None


def _page(request: Request, value: dict[str, Any] | None) -> Response:
    if value is None:
        raise _nothing(request)
    _only(request, "GET", "HEAD")
    return json_response(200, value, NOT_FAILED)


def _nothing(request: Request) -> BadInputError:
    known = "/v2/models/NAME, /v2/models/NAME/infer, /v2/health/ready, /v1/models/NAME:predict"
    return fault(f"There is nothing at {request.path}; try {known}", 404)


def _only(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise fault(f"{request.method} is not allowed at {request.path}; use {', '.join(methods)}", 405)


def _in_protocol(response: Response) -> Response:
    """`response`, with what it says of a fault as these protocols say it."""
    if response.status < 400 or response.stream is not None:
        return response
    try:
        told = json.loads(response.body)
    except ValueError:
        return response
    if not is_object(told):
        return response
    said = told.get("error", told.get("message"))
    text = said.get("message") if is_object(said) else said
    if not isinstance(text, str):
        return response
    return response._replace(body=json.dumps({"error": text}).encode("ascii"))

"""How a request becomes the arguments of run(): as text, by name, or as the request itself."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qsl

from penstock_worker.aml_request import AMLRequest, is_json
from penstock_worker.forms import FORM_TYPES, media_type
from penstock_worker.kinds import is_object
from penstock_worker.messages import BadInputError, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Arguments = Callable[[Request], dict[str, Any]]

HEADERS = "request_headers"  # the parameter that gets the headers, wherever it stands


def text_arguments(parameter: str, *, strict: bool) -> Arguments:
    """For a run() that is not decorated. `strict`: forms are swallowed, as Azure's server does."""

    def arguments(request: Request) -> dict[str, Any]:
        if strict and request.method != "GET" and _is_form(request):
            return {parameter: ""}
        return {parameter: text_of(request)}

    return arguments


def named_arguments(parameters: Sequence[inspect.Parameter]) -> Arguments:
    """For a run() with `@input_schema`: a value of the JSON object for each parameter."""

    def arguments(request: Request) -> dict[str, Any]:
        body = _query(request.query) if request.method == "GET" else _object(request)
        return {each.name: _value(body, each) for each in parameters}

    return arguments


def raw_arguments(parameter: str) -> Arguments:
    """For a run() with `@rawhttp`."""
    return lambda request: {parameter: AMLRequest(request)}


def plain_headers(request: Request) -> dict[str, str]:
    return {name.decode("latin-1").title(): value.decode("latin-1") for name, value in request.headers.items()}


def text_of(request: Request) -> str:
    """The input of an undecorated run(): the body, or the query of a GET as JSON. Raises `BadInputError`."""
    if request.method == "GET":
        return json.dumps(_query(request.query))
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _undecodable(error) from error


def _is_form(request: Request) -> bool:
    return media_type(request.headers.get(b"content-type", b"").decode("latin-1"))[0] in FORM_TYPES


def _object(request: Request) -> dict[str, Any]:
    kind = request.headers.get(b"content-type", b"")
    if kind != b"application/json" and not is_json(kind.decode("latin-1")):
        raise BadInputError({"message": "Expects Content-Type to be application/json"}, 415)
    body = _parsed_body(request.body)
    if not is_object(body):
        raise BadInputError({"message": "POST body should be a JSON dictionary."})
    return body


def _parsed_body(body: bytes) -> Any:
    if not body:
        raise BadInputError({"message": "POST body is empty. Expecting a JSON dictionary."})
    try:
        return json.loads(body)
    except UnicodeDecodeError as error:
        raise _undecodable(error) from error
    except RecursionError as error:
        raise BadInputError({"message": "POST body could not be decoded as JSON: it is nested too deeply"}) from error
    except ValueError as error:
        raise BadInputError({"message": f"POST body could not be decoded as JSON: {error}"}) from error


def _undecodable(error: UnicodeDecodeError) -> BadInputError:
    return BadInputError({"message": f"Input cannot be decoded as UTF-8: {error}"})


def _value(body: dict[str, Any], parameter: inspect.Parameter) -> Any:
    value = body.get(parameter.name, parameter.default)
    if value is parameter.empty:
        raise BadInputError({"message": f"A value is not provided for the {parameter.name!r} parameter."})
    return value


def _query(query: str) -> dict[str, Any]:
    return _grouped(parse_qsl(query, keep_blank_values=True))


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for name, text in pairs:
        values.setdefault(name, []).append(_parsed(text))
    return {name: items[0] if len(items) == 1 else items for name, items in values.items()}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

"""The OpenAPI documents at /swagger.json: versions 2, 3 and 3.1, made from schemas or written by the author."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qs

from penstock_worker import contract
from penstock_worker.failure import LoadError
from penstock_worker.messages import JSON_LINE, Request, Response, message_response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from penstock_worker.settings import Service

_ALIASES = {"2": "2", "2.0": "2", "3": "3", "3.0": "3", "3.1": "3.1"}
_DEFAULT = "2"
_FILES = {"2": ("swagger.json", "swagger2.json"), "3": ("swagger3.json",), "3.1": ("swagger3.1.json",)}
_NOT_FAILED = b"x-ms-run-function-failed: False\r\n"
_BEARER = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "description": "A key of the endpoint: Bearer KEY",
}


@dataclass(frozen=True)
class Schemas:
    """What a model or script takes and returns. `versions` are those of Swagger that can say so.

    `input_in_version_2` is given where the schema of the input uses what version 2 does not have.
    """

    input: dict[str, Any]
    output: dict[str, Any]
    versions: Sequence[str] = ("2.0", "3.0", "3.1")
    input_in_version_2: dict[str, Any] | None = None


def swagger_page(schemas: Schemas, service: Service, folder: Path | None) -> Callable[[Request], Response]:
    """The page with the documents. Those in `folder` go before those that are made. Raises `LoadError`."""
    able = {_ALIASES[version] for version in schemas.versions}
    pages: dict[str, Response] = {}
    for version in _FILES:
        document = _written(folder, version)
        if document is None and version in able:
            document = _made(version, schemas, service)
        if document is not None:
            pages[version] = Response(200, json.dumps(document).encode("ascii"), JSON_LINE + _NOT_FAILED)

    def page(request: Request) -> Response:
        asked = parse_qs(request.query).get("version", [_DEFAULT])[0]
        version = _ALIASES.get(asked)
        if version in pages:
            return pages[version]
        known = ", ".join(sorted(pages))
        if version is None:
            return _missing(f"Swagger version [{asked}] is not valid. Supported versions: [{known}].")
        return _missing(
            f"Swagger version [{asked}] is not supported for the scoring script. Supported swagger versions: [{known}]."
        )

    return page


def _missing(message: str) -> Response:
    return message_response(404, message, _NOT_FAILED)


def _written(folder: Path | None, version: str) -> Any:
    """The author's own document; None if there is none."""
    if folder is None:
        return None
    for name in _FILES[version]:
        path = folder / name
        if path.is_file():
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError) as error:
                raise LoadError(contract.SETTING_INVALID, f"{path} is not a Swagger document: {error}") from error
    return None


def _made(version: str, schemas: Schemas, service: Service) -> dict[str, Any]:
    info = {
        "title": service.name,
        "description": f"What {service.name} answers to requests for predictions",
        "version": service.version,
    }
    prefix = f"/{service.path_prefix.strip('/')}" if service.path_prefix.strip("/") else ""
    parts = {
        "ServiceInput": schemas.input,
        "ServiceOutput": schemas.output,
        "ErrorResponse": {"type": "object", "properties": {"message": {"type": "string"}}},
    }
    if version == "2":
        parts["ServiceInput"] = schemas.input_in_version_2 or schemas.input
        return {
            "swagger": "2.0",
            "info": info,
            "schemes": ["https", "http"],
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "securityDefinitions": {"Bearer": _BEARER},
            "paths": _paths(prefix, _Version2()),
            "definitions": parts,
        }
    return {
        "openapi": "3.1.0" if version == "3.1" else "3.0.3",
        "info": info,
        "security": [{"Bearer": []}],
        "paths": _paths(prefix, _Version3()),
        "components": {"schemas": parts, "securitySchemes": {"Bearer": _BEARER}},
    }


class _Version2:
    """How version 2 writes what a route takes and answers."""

    def input(self) -> dict[str, Any]:
        body = {"name": "serviceInputPayload", "in": "body", "description": "What to predict for"}
        return {"parameters": [{**body, "schema": {"$ref": "#/definitions/ServiceInput"}}]}

    def version(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(_FILES)}

    def answer(self, description: str, schema: str | None, kind: str) -> dict[str, Any]:
        shape = {"type": "string"} if schema is None else {"$ref": f"#/definitions/{schema}"}
        return {"description": description, "schema": shape}


class _Version3:
    """How versions 3 and 3.1 do."""

    def input(self) -> dict[str, Any]:
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/ServiceInput"}}}
        return {"requestBody": {"description": "What to predict for", "content": content}}

    def version(self) -> dict[str, Any]:
        return {"schema": {"type": "string", "enum": list(_FILES)}}

    def answer(self, description: str, schema: str | None, kind: str) -> dict[str, Any]:
        shape = {"type": "string"} if schema is None else {"$ref": f"#/components/schemas/{schema}"}
        return {"description": description, "content": {kind: {"schema": shape}}}


def _paths(prefix: str, form: _Version2 | _Version3) -> dict[str, Any]:
    error = form.answer("The request was not answered; the message says why", "ErrorResponse", "application/json")
    health = {
        "operationId": "ServiceHealthCheck",
        "description": "Answers while the process is alive",
        "responses": {"200": form.answer("Healthy", None, "text/html"), "default": error},
    }
    score: dict[str, Any] = {
        "operationId": "RunMLService",
        "description": "Run the model on the input and return its result",
        "security": [{"Bearer": []}],
        **form.input(),
        "responses": {"200": form.answer("The result", "ServiceOutput", "application/json"), "default": error},
    }
    document = {
        "operationId": "GetSwaggerSpec",
        "description": "This document, in the version that is asked for",
        "parameters": [{"name": "version", "in": "query", "required": False, **form.version()}],
        "responses": {"200": form.answer("The document", None, "application/json"), "default": error},
    }
    return {
        f"{prefix}{contract.LIVENESS_ROUTE}": {"get": health},
        f"{prefix}{contract.SCORE_ROUTE}": {"post": score},
        f"{prefix}{contract.SWAGGER_ROUTE}": {"get": document},
    }

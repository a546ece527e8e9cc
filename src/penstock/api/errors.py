"""Which HTTP status each error has: the one table, and the handlers that use it."""

import logging
from collections.abc import Mapping
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from penstock.domain.errors import Code, PenstockError

log = logging.getLogger(__name__)

STATUS: Mapping[Code, int] = {
    Code.INVALID: 400,
    Code.DENIED: 401,
    Code.NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.FAILED: 422,
    Code.UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}
_CODES = {404: Code.NOT_FOUND, 405: Code.INVALID, 401: Code.DENIED}


def answer(error: PenstockError) -> JSONResponse:
    body = {"error": {"code": error.code.value, "message": error.message, "details": error.details}}
    headers = {"WWW-Authenticate": "Bearer"} if error.code is Code.DENIED else {}
    if "retry_after" in error.details:
        headers["Retry-After"] = error.details["retry_after"]
    return JSONResponse(body, STATUS[error.code], headers)


def install(app: FastAPI) -> None:
    """Make `app` answer every error in the one form."""
    app.add_exception_handler(PenstockError, _penstock)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _penstock(_: Request, exception: Exception) -> JSONResponse:
    error = cast(PenstockError, exception)
    if error.code is Code.INTERNAL:
        log.error("internal error", extra={"error": error.message})
    return answer(error)


def _unreadable(_: Request, exception: Exception) -> JSONResponse:
    error = cast(RequestValidationError, exception)
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    return answer(PenstockError(Code.INVALID, "request is not valid: " + "; ".join(faults)))


def _http(request: Request, exception: Exception) -> JSONResponse:
    error = cast(HTTPException, exception)
    message = f"{request.method} {request.url.path}: {error.detail}; see /api/v1/docs"
    response = answer(PenstockError(_CODES.get(error.status_code, Code.INVALID), message))
    response.status_code = error.status_code
    return response


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", exc_info=error, extra={"path": request.url.path})
    return answer(PenstockError(Code.INTERNAL, "a fault of the platform; its log in PENSTOCK_HOME/logs says more"))

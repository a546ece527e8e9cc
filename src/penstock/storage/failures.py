"""What an error of a driver means: each has its service's own exceptions, told apart by what they carry. Pure."""

import re
from collections.abc import Iterator
from typing import Any, cast

from penstock.domain.errors import Code, PenstockError

_MOST_CAUSES = 10
_LONGEST = 300  # characters of a driver's own words
_SECRETS = re.compile(r"(?i)\b(sig|signature|accountkey|sharedaccesssignature|x-amz-[a-z-]+|token|secret)=[^&;\s\"']+")
_DENIED = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "NoAuthTokenError",
        "TokenRetrievalError",
        "ClientAuthenticationError",
        "CredentialUnavailableError",
        "DefaultCredentialsError",
        "RefreshError",
    }
)


def failure(error: BaseException, what: str) -> PenstockError:
    """An error that names `what` (a URI) for one that a driver raised.

    `not_found`, `denied`, `conflict` (it is not any more what it was), `invalid` (the service does not take the
    request), `unavailable` (may work later).
    """
    code = _code(error)
    remedy = {
        Code.NOT_FOUND: "does not exist: check the path",
        Code.DENIED: "may not be read or written with these credentials: check them, and what they allow, with "
        "`penstock datastore show`",
        Code.CONFLICT: "has changed",
        Code.INVALID: "is refused by its service",
        Code.UNAVAILABLE: "cannot be reached just now",
    }[code]
    return PenstockError(code, f"{what} {remedy} ({_own_words(error)})")


def status_code(status: int) -> Code | None:
    """What an HTTP status means; None for those of success."""
    if status in (401, 403, 407):
        return Code.DENIED
    if status in (404, 410):
        return Code.NOT_FOUND
    if status in (412, 416):  # not the version that was asked for; not as long as it was
        return Code.CONFLICT
    if status in (408, 425, 429) or status >= 500:
        return Code.UNAVAILABLE
    return Code.INVALID if status >= 400 else None


def _code(error: BaseException) -> Code:
    chain = list(_chain(error))
    if any(type(each).__name__ in _DENIED for each in chain):
        return Code.DENIED
    for each in chain:
        if isinstance(each, FileNotFoundError):
            return Code.NOT_FOUND
        if isinstance(each, PermissionError):
            return Code.DENIED
        code = status_code(_status(each))
        if code is not None:
            return code
    return Code.INVALID if isinstance(error, (ValueError, TypeError)) else Code.UNAVAILABLE


def _status(error: BaseException) -> int:
    """The HTTP status that an exception carries, 0 if it carries none."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        metadata: Any = cast(dict[str, Any], response).get("ResponseMetadata") or {}
        response = metadata.get("HTTPStatusCode")
    for value in (response, *(getattr(error, name, None) for name in ("status_code", "status", "code"))):
        if isinstance(value, int) and 100 <= value < 600:
            return value
    return 0


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if each is None:
            return
        yield each
        each = each.__cause__ or each.__context__


def _own_words(error: BaseException) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    text = _SECRETS.sub(r"\1=...", line)[:_LONGEST]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

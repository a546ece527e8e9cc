"""What errors of drivers mean."""

import pytest

from penstock.domain.errors import Code
from penstock.storage.failures import failure


class ClientError(Exception):
    """As botocore's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


class HttpResponseError(Exception):
    """As Azure's."""

    status_code = 403


class NoCredentialsError(Exception):
    pass


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError("x"), Code.NOT_FOUND),
        (PermissionError("x"), Code.DENIED),
        (HttpResponseError("x"), Code.DENIED),
        (NoCredentialsError("x"), Code.DENIED),
        (ClientError(404), Code.NOT_FOUND),
        (ClientError(412), Code.CONFLICT),
        (ClientError(503), Code.UNAVAILABLE),
        (ClientError(400), Code.INVALID),
        (_caused(OSError(5, "input/output"), ClientError(403)), Code.DENIED),
        (ConnectionResetError("x"), Code.UNAVAILABLE),
        (TimeoutError(), Code.UNAVAILABLE),
        (ValueError("bad"), Code.INVALID),
    ],
    ids=repr,
)
def test_errors_are_told_apart_by_what_they_carry(error, code):
    found = failure(error, "s3://bucket/key")
    assert found.code is code
    assert found.message.startswith("s3://bucket/key ")


def test_secrets_in_a_drivers_own_words_are_left_out():
    text = "GET https://a.blob/c?sv=1&sig=abc%2Fdef&se=2 AccountKey=hidden; X-Amz-Signature=feed failed\nmore"
    message = failure(OSError(text), "abfs://c/k").message
    assert not any(secret in message for secret in ("abc%2Fdef", "hidden", "feed", "more"))
    assert "sig=..." in message

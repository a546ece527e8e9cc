"""When a build that has failed is worth another try unasked."""

from datetime import UTC, datetime, timedelta

import pytest

from penstock.domain.errors import Code, PenstockError
from penstock.environments.past_failure import PastFailure, due_again, read_failure, write_failure

THEN = datetime(2030, 1, 1, tzinfo=UTC)


def a_failure(code: Code, attempts: int = 1) -> PastFailure:
    return PastFailure(code=code, message="m", details={"log": "l"}, at=THEN.isoformat(), attempts=attempts)


def test_what_the_requirements_are_at_fault_for_waits_for_the_user():
    assert not due_again(a_failure(Code.FAILED), THEN + timedelta(days=1000))


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 5), (2, 10), (4, 40), (7, 300), (10_000, 300)])
def test_what_was_unavailable_is_tried_again_after_a_pause_that_grows(attempts, seconds):
    failure = a_failure(Code.UNAVAILABLE, attempts)
    assert not due_again(failure, THEN + timedelta(seconds=seconds - 1))
    assert due_again(failure, THEN + timedelta(seconds=seconds))


def test_a_clock_that_was_set_back_does_not_lengthen_the_pause():
    assert due_again(a_failure(Code.UNAVAILABLE), THEN - timedelta(days=1))


def test_a_failure_is_read_as_it_was_written_and_counted(tmp_path):
    file = tmp_path / "failed"
    error = PenstockError(Code.UNAVAILABLE, "no network", {"log": "error: dns"})
    write_failure(file, error, THEN, None)
    write_failure(file, error, THEN, read_failure(file))
    found = read_failure(file)
    assert found is not None
    assert (found.attempts, found.at) == (2, THEN.isoformat())
    assert (found.error().code, found.error().message, found.error().details) == (
        error.code,
        error.message,
        error.details,
    )


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"code": "odd", "message": "", "details": {}, "at": "x", "attempts": 1}']
)
def test_a_record_that_cannot_be_read_is_none(tmp_path, content):
    (tmp_path / "failed").write_text(content)
    assert read_failure(tmp_path / "failed") is None
    assert read_failure(tmp_path / "none") is None

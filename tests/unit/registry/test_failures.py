"""What is said of an MLflow server that does not start."""

from pathlib import Path

import pytest

from penstock.domain.errors import Code, PenstockError
from penstock.registry.failures import explain

FOLDER, LOG = Path("/home/mlflow"), Path("/home/logs/mlflow.log")


def error(output: str, *, exit_code: int | None = 1, free_bytes: int = 2**30) -> PenstockError:
    return explain(output, exit_code, free_bytes=free_bytes, folder=FOLDER, log=LOG)


TRACEBACK = """
INFO: Creating initial MLflow database tables...
Traceback (most recent call last):
  File "engine.py", line 1967, in _exec_single_context
sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection failed: Connection refused
(Background on this error at: https://sqlalche.me/e/20/e3q8)
"""


def test_the_last_fault_is_told_with_where_to_read_more() -> None:
    told = error(TRACEBACK)
    assert told.code is Code.UNAVAILABLE
    assert "connection failed: Connection refused" in told.message
    assert "ended with code 1" in told.message
    assert str(LOG) in told.message
    assert "Creating initial" in told.details["log"]


@pytest.mark.parametrize(
    ("output", "free_bytes"),
    [
        ("sqlite3.OperationalError: database or disk is full", 2**30),
        ("OSError: [Errno 28] No space left on device", 2**30),
        ("", 0),
    ],
    ids=["the database says so", "the system says so", "nothing could be written"],
)
def test_a_full_disk_is_named(output: str, free_bytes: int) -> None:
    assert f"the disk that holds {FOLDER} is full" in error(output, free_bytes=free_bytes).message


def test_output_without_a_fault_ends_in_its_last_line() -> None:
    assert "it ended: Killed by somebody;" in error("Starting\nKilled by somebody\n\n", exit_code=None).message
    assert "it wrote nothing" in error("", exit_code=-9).message

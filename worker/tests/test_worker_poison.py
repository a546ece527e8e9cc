"""A request that ends the process is recognised when it comes again, whoever sends it, and run no more than twice."""

from pathlib import Path

import pytest

from penstock_worker import contract
from penstock_worker.inflight import Inflight, Verdict
from penstock_worker.messages import Request

DEADLY = """
import os

def init():
    pass

def run(raw_data):
    trouble = os.environ["PENSTOCK_INFLIGHT"].replace("fraud.blue.inflight", "machine-trouble")
    if raw_data == "deadly" or raw_data == "usual" and os.path.exists(trouble):
        os._exit(9)
    return raw_data
"""


@pytest.fixture
def start(start_worker, tmp_path: Path):
    """Starts one instance more of the deployment; of its first making unless told otherwise."""

    def start(making: str = "fraud.blue.1"):
        return start_worker(
            DEADLY,
            **{contract.INFLIGHT: str(tmp_path / "fraud.blue.inflight"), contract.INSTANCE: f"{making}.0"},
        )

    return start


def status(worker, body: str, **ids: str) -> int:
    headers = {name.replace("_", "-"): value for name, value in ids.items()}
    return worker.request("POST", "/score", body, headers).status


def dies(worker, body: str, **ids: str) -> bool:
    with pytest.raises((ConnectionError, OSError)):
        status(worker, body, **ids)
    return worker.wait() == 9


def test_a_request_that_ended_two_instances_is_refused_by_the_third_and_remembered(start) -> None:
    first, second, third = start(), start(), start()
    ids = {"x_request_id": "the caller's", "x_penstock_request": "the gateway's"}
    assert dies(first, "deadly", **ids)
    assert dies(second, "deadly", **ids)
    assert status(third, "deadly", **ids) == 500
    assert status(third, "deadly", x_request_id="sent anew") == 500
    assert status(third, "harmless", x_request_id="the caller's") == 200
    assert third.process.poll() is None


def test_an_only_instance_recognises_a_body_that_ended_the_two_before_it(start) -> None:
    assert dies(start(), "deadly", x_request_id="1")
    assert dies(start(), "deadly", x_request_id="2")
    third = start()
    answer = third.request("POST", "/score", "deadly", {"x-request-id": "3"})
    assert answer.status == 500
    assert "has ended two instances" in str(answer.json())
    assert status(start("fraud.blue.2"), "harmless", x_request_id="4") == 200
    assert dies(start("fraud.blue.2"), "deadly", x_request_id="5"), "new code gets its own chance"


def test_a_body_that_was_answered_since_is_not_to_blame(start, tmp_path: Path) -> None:
    cause = tmp_path / "machine-trouble"
    for n in range(3):
        worker = start()
        assert status(worker, "usual", x_request_id=f"{n}a") == 200
        cause.touch()
        assert dies(worker, "usual", x_request_id=f"{n}b")
        cause.unlink()


def test_a_request_whose_instance_died_runs_alone_and_one_that_is_answered_leaves_no_mark(tmp_path: Path) -> None:
    request = Request("POST", "/score", "", {b"x-request-id": b"1"}, b"[1]")
    first, second = Inflight(tmp_path / "file"), Inflight(tmp_path / "file")
    assert first.admit(request) is Verdict.RUN
    assert second.admit(request) is Verdict.ALONE
    second.done(request)
    assert first.admit(request) is Verdict.RUN
    first.done(request)
    assert second.admit(request) is Verdict.RUN


@pytest.mark.parametrize("content", [b"", b"garbage" * 100_000, bytes(300_000)], ids=["empty", "garbage", "zeros"])
def test_a_file_that_holds_anything_else_is_begun_anew(start, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fraud.blue.inflight").write_bytes(content)
    assert status(start(), "harmless", x_request_id="1") == 200
    assert dies(start(), "deadly", x_request_id="2")


def test_a_file_that_cannot_be_had_keeps_nobody_from_serving(start_worker, tmp_path: Path) -> None:
    worker = start_worker(DEADLY, **{contract.INFLIGHT: str(tmp_path / "no folder" / "x")})
    assert status(worker, "harmless", x_request_id="1") == 200
    assert "cannot be recognised" in worker.log

"""The real worker process of a job: how it starts, works, survives and ends."""

from collections.abc import Callable
from typing import Any

from penstock_worker import contract

MakeJob = Callable[..., Any]  # the fixture in conftest.py

# Notes each of its runs in a file, beside the answer: the content of each file.
READS = """
    import os
    from pathlib import Path

    def init():
        print("init was called")

    def run(mini_batch):
        with open(Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "runs"), "a") as runs:
            runs.write(",".join(os.path.basename(path) for path in mini_batch) + "\\n")
        print("run was called")
        return [f"{os.path.basename(path)}: {Path(path).read_text()}" for path in mini_batch]
"""


def runs(job: Any) -> list[str]:
    path = job.root / "output" / "runs"
    return path.read_text().splitlines() if path.exists() else []


def test_a_mini_batch_becomes_a_part_and_a_result(make_job: MakeJob) -> None:
    job = make_job(READS)
    task = job.give(job.files(3))
    process = job.start()
    result = job.finished(task)
    assert job.part(result) == b"0.txt: 0\n1.txt: 1\n2.txt: 2\n"
    assert (result.worker, result.reason, result.faults) == ("w1", "", ())
    assert (result.rows_in, result.rows_out, result.bytes_in) == (3, 3, 3)
    assert result.memory_bytes > 0
    assert set(result.seconds) == {"predict", "write"}
    assert job.parts == [result.parts[0].name]
    assert job.end(process) == contract.EXIT_OK
    stdout = job.logs / "user" / "stdout" / "node0" / "process001.stdout.txt"
    assert stdout.read_text() == "init was called\nrun was called\n"


def test_a_mini_batch_whose_worker_was_killed_after_its_result_is_not_run_again(make_job: MakeJob) -> None:
    job = make_job(READS)
    files = job.files(2)
    task = job.give(files[:1], 1)
    process = job.start()
    job.finished(task)
    process.kill()
    job.give(files[:1], 1)  # as if it had been killed before it could delete the task
    after = job.give(files[1:], 2)
    job.start()
    job.finished(after)
    assert not job.task_path(task).exists()
    assert runs(job) == ["0.txt", "1.txt"]

"""The real worker process of a job: how it starts, works, survives and ends."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.trained import REQUIREMENTS, python_with

from penstock_worker import batch_contract, contract
from penstock_worker.batch_contract import INPUT_CHANGED, RUN_FAILED, File, Segment, Task

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

    def shutdown():
        print("shutdown was called")
"""


def runs(job: Any) -> list[str]:
    path = job.root / "output" / "runs"
    return path.read_text().splitlines() if path.exists() else []


def user_log(job: Any, *names: str) -> str:
    path: Path = job.logs.joinpath("user", *names)
    return path.read_text() if path.exists() else ""


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
    assert (job.folder / "current" / "w1").read_text() == task.id
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
    assert job.end(process) == contract.EXIT_OK
    assert user_log(job, "stdout", "node0", "process001.stdout.txt").splitlines() == [
        "init was called",
        "run was called",
        "shutdown was called",
    ]


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


def test_a_mini_batch_whose_worker_was_killed_in_run_is_run_by_the_next_one(make_job: MakeJob) -> None:
    job = make_job("""
        import os, pathlib, signal
        def init(): pass
        def run(mini_batch):
            mark = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "mark")
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return mini_batch
    """)
    tasks = [job.give((file,), file.number) for file in job.files(3)]
    job.start(ready=False).wait(timeout=60)
    assert (job.folder / "current" / "w1").read_text() == tasks[0].id
    assert job.parts == []
    job.start()
    assert [job.finished(task).rows_out for task in tasks] == [1, 1, 1]
    assert len(job.parts) == 3


def test_a_script_that_cannot_load_is_reported_with_its_own_traceback(make_job: MakeJob) -> None:
    job = make_job("""
        def init():
            raise ValueError("no model here")
        def run(mini_batch):
            return mini_batch
    """)
    process = job.start(ready=False)
    assert process.wait(timeout=60) == contract.EXIT_CANNOT_LOAD
    report = job.report()
    assert (report.phase, report.reason) == (contract.FAILED, contract.SCRIPT_INIT_FAILED)
    assert report.message == "init() in score.py raised ValueError: no model here (score.py, line 3)"
    assert "penstock_worker" not in report.traceback
    assert 'raise ValueError("no model here")' in report.traceback
    assert "ValueError: no model here" in user_log(job, "error.txt")


def test_a_failing_run_ends_its_mini_batch_alone_and_leaves_no_part(make_job: MakeJob) -> None:
    job = make_job("""
        import sys
        def init(): pass
        def run(mini_batch):
            if mini_batch[0].endswith("0.txt"):
                raise KeyError("label")
            if mini_batch[0].endswith("1.txt"):
                sys.exit("enough")
            return mini_batch
    """)
    first, second, third = (job.give((file,), file.number) for file in job.files(3))
    job.start()
    assert job.finished(third).rows_out == 1
    raised, left = job.finished(first), job.finished(second)
    assert (raised.reason, left.reason) == (RUN_FAILED, RUN_FAILED)
    assert raised.message == "run() in score.py raised KeyError: 'label' (score.py, line 6)"
    assert left.message == "run() in score.py raised SystemExit: enough (score.py, line 8)"
    assert raised.traceback.startswith("Traceback")
    assert len(job.parts) == 1
    told = user_log(job, "error.txt")
    assert told == user_log(job, "error", "node0", "process001.txt")
    assert "process001 score 000000, attempt 1: RunFailed" in told
    assert "files: 0.txt\nTraceback" in told


def test_a_worker_goes_on_after_it_ran_out_of_memory(make_job: MakeJob) -> None:
    job = make_job("""
        def init(): pass
        def run(mini_batch):
            return [len(bytearray(int(open(path).read()) * 2**30)) for path in mini_batch]
    """)
    small, large = job.files(2)
    tasks = [job.give((file,), number) for number, file in enumerate((large, small, large))]
    job.start(**{contract.MEMORY_BYTES: str(2**29)})
    results = [job.finished(task) for task in tasks]
    assert [result.reason for result in results] == [RUN_FAILED, "", RUN_FAILED]
    assert "limit of 536,870,912 bytes of memory was exceeded" in results[0].message


def test_a_worker_that_runs_out_of_memory_again_and_again_leaves_the_rest_to_another(make_job: MakeJob) -> None:
    job = make_job("""
        kept = []
        def init(): pass
        def run(mini_batch):
            kept.append(bytearray(300 * 2**20))
            return mini_batch
    """)
    tasks = [job.give((file,), number) for number, file in enumerate(job.files(4))]
    limit = {contract.MEMORY_BYTES: str(2**29)}
    assert job.start(**limit).wait(timeout=60) == 0
    assert [job.finished(task).reason for task in tasks[:3]] == ["", RUN_FAILED, RUN_FAILED]
    assert job.result(tasks[3]) is None
    job.start(**limit)
    assert job.finished(tasks[3]).reason == ""


def test_sigterm_lets_a_short_run_end_and_begins_nothing_new(make_job: MakeJob) -> None:
    job = make_job("""
        import os, pathlib, time
        def init(): pass
        def run(mini_batch):
            pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "began").touch()
            time.sleep(0.3)
            return mini_batch
    """)
    first, second = (job.give((file,), file.number) for file in job.files(2))
    process = job.start()
    job.wait_for((job.root / "output" / "began").exists)
    assert job.end(process) == contract.EXIT_OK
    assert job.finished(first).rows_out == 1
    assert job.task_path(second).exists()
    assert job.result(second) is None


def test_sigterm_interrupts_a_long_run_and_leaves_its_mini_batch_to_others(make_job: MakeJob) -> None:
    job = make_job("""
        import os, pathlib, threading, time
        def init():
            threading.Thread(target=time.sleep, args=(600,)).start()
        def run(mini_batch):
            pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "began").touch()
            time.sleep(600)
        def shutdown():
            print("shutdown was called")
    """)
    task = job.give(job.files())
    process = job.start()
    job.wait_for((job.root / "output" / "began").exists)
    assert job.end(process) == contract.EXIT_OK
    assert job.task_path(task).exists()
    assert (job.parts, job.result(task)) == ([], None)
    assert user_log(job, "stdout", "node0", "process001.stdout.txt") == "shutdown was called\n"


def test_what_scripts_log_stands_where_azure_has_it(make_job: MakeJob) -> None:
    job = make_job("""
        import argparse, logging, os, sys
        from azureml_user.parallel_run import EntryScript
        def init():
            parser = argparse.ArgumentParser()
            parser.add_argument("--logging_level")
            known, _ = parser.parse_known_args()
            logging.info("level %s of %s", known.logging_level, os.path.basename(sys.argv[0]))
            logging.debug("unseen")
        def run(mini_batch):
            EntryScript().logger.info("%s scores %d", EntryScript().agent_name, len(mini_batch))
            os.system("echo from a child; echo bad >&2")
            return mini_batch
    """)
    job.finished_by = job.give(job.files())
    process = job.start("--logging_level", "info", "--unknown", "1")
    job.finished(job.finished_by)
    job.end(process)
    stdout = user_log(job, "stdout", "node0", "process001.stdout.txt")
    assert "root - level info of score.py\n" in stdout
    assert "from a child\n" in stdout
    assert "unseen" not in stdout
    assert user_log(job, "stderr", "node0", "process001.stderr.txt") == "bad\n"
    own = user_log(job, "entry_script_log", "node0", "process001.log.txt")
    assert own.endswith("azureml_user.parallel_run - process001 scores 1\n")
    assert Path(job.logs, "user", "entry_script_log", "node0").is_dir()


def test_dataframes_series_and_arrays_are_rows(make_job: MakeJob) -> None:
    job = make_job("""
        import numpy as np, pandas as pd
        def init(): pass
        def run(mini_batch):
            return [
                pd.DataFrame({"file": ["a,b", "c"], "p": [0.1, None], "n": [1, 2]}, index=[7, 8]),
                pd.Series([0.25, 0.5], name="p"),
                np.array([0.1, 2], dtype="float32"),
                np.array([[1, 2], [3, 4]]),
                [np.array([0.5, 0.25]), np.float64(0.1), {"n": np.int64(1)}],
            ][int(open(mini_batch[0]).read())]
    """)
    tasks = [job.give((file,), file.number) for file in job.files(5)]
    job.start(python=str(python_with(REQUIREMENTS)))
    assert [job.part(job.finished(task)).decode() for task in tasks] == [
        '"a,b",0.1,1\nc,,2\n',
        "0.25\n0.5\n",
        "0.1\n2.0\n",
        "1,2\n3,4\n",
        "0.5,0.25\n0.1\n{'n': 1}\n",
    ]


def test_a_file_that_has_changed_since_the_job_began_is_not_scored(make_job: MakeJob) -> None:
    job = make_job(READS)
    files = job.files(2)
    Path(files[0].path).write_text("another content")
    Path(files[1].path).unlink()
    tasks = [job.give((file,), file.number) for file in files]
    job.start()
    results = [job.finished(task) for task in tasks]
    assert [result.reason for result in results] == [INPUT_CHANGED, INPUT_CHANGED]
    assert results[0].message.startswith("0.txt has changed since the job was planned")
    assert runs(job) == []


def test_a_worker_whose_job_was_deleted_ends(make_job: MakeJob) -> None:
    job = make_job(READS)
    process = job.start()
    (job.folder / "tasks" / "w1").rename(job.root / "gone")
    assert process.wait(timeout=60) == contract.EXIT_OK


def test_a_job_without_an_order_is_a_failure_to_load(make_job: MakeJob) -> None:
    job = make_job(READS)
    (job.folder / "order.json").write_text("{}")
    process = job.start(ready=False)
    assert process.wait(timeout=60) == contract.EXIT_CANNOT_LOAD
    assert job.report().reason == contract.SETTING_INVALID
    assert batch_contract.read(job.folder / "order.json", batch_contract.Order) is None


def test_files_are_cut_before_the_model_is_loaded(make_job: MakeJob) -> None:
    job = make_job("", mini_batch_bytes=100)
    rows = job.root / "input" / "rows.csv"
    rows.write_text("a,b\n" + "1,2\n" * 100)
    (job.root / "model").mkdir()
    found = rows.stat()
    file = File(0, str(rows), rows.name, found.st_size, found.st_mtime_ns)
    task = Task("c0", batch_contract.CUT, 1, (Segment(file, batch_contract.BYTES, 0, found.st_size),))
    batch_contract.write(job.task_path(task), task)
    later = Task("m1", batch_contract.SCORE, 1)
    batch_contract.write(job.task_path(later), later)
    variables = {contract.ENTRY_SCRIPT: "", contract.MLFLOW_MODEL: str(job.root / "model")}
    assert job.start(ready=False, **variables).wait(timeout=60) == contract.EXIT_CANNOT_LOAD
    segments = job.finished(task).segments
    assert len(segments) > 1
    assert sum(segment.rows for segment in segments) == 100
    assert job.result(later) is None
    assert job.task_path(later).exists()

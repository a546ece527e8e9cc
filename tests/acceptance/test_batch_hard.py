"""Jobs under all that goes wrong: their data, their script or model, their users, their platform."""

import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from support.batch_jobs import ENDED, Jobs, the_files
from support.callers import an_api
from support.hard_jobs import ENDPOINT, scored, sleepers, write_hard_site
from support.running import Platform, a_platform, wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hard_site(tmp_path_factory.mktemp("hard"))


@pytest.fixture(scope="module")
def platform(folder: Path, environments: Path) -> Generator[Platform]:
    variables = {"PENSTOCK_INSTANCE_MEMORY_BYTES": str(2 * 2**30)}
    with a_platform(folder / "home", variables, environments=environments) as platform:
        platform.run("apply", "-f", folder / "files")
        yield platform


@pytest.fixture
def jobs(platform: Platform) -> Generator[Jobs]:
    with an_api(platform) as api:
        yield Jobs(platform, ENDPOINT, api)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_an_input_that_changes_while_it_is_scored_fails_the_job_and_is_named(jobs: Jobs, data: Path) -> None:
    the_files(data, [("a.txt", "fine"), ("sub/b.txt", "change"), ("c.txt", "fine")])
    jobs.begin("changing", data)
    failed = jobs.until("changing")
    assert (failed["state"], "sub/b.txt has changed" in failed["message"]) == ("Failed", True), failed


def test_data_without_rows_and_data_that_cannot_be_read_are_told_apart(jobs: Jobs, data: Path) -> None:
    (data.parent / "nothing").mkdir()
    the_files(
        data,
        [
            ("empty.csv", ""),
            ("head.csv", "a,t\n"),
            ("latin.csv", b"a,t\n6,caf\xe9\n"),
            ("lines.jsonl", '{"a": 11, "t": "of lines"}\n'),
            ("no_end.csv", "a,t\n2,no end"),
            ("one.csv", "a,t\n1,one row\n"),
            ("other.csv", "b,c\n4,5\n"),
            ("quoted.csv", 'a,t\n7,"two\nlines, and ""quotes"""\n8,after them\n'),
            ("report.pdf", "%PDF"),
            ("some.csv", "a,t\n9,x\nnine,y\n-1,z\n10,w\n"),
            ("turned.csv", "t,more,a\nother order,m,3\n"),
        ],
    )
    jobs.begin("odd", data, "model")
    jobs.begin("nothing", data.parent / "nothing")
    nothing = jobs.until("nothing")
    assert (nothing["state"], nothing["message"].partition(" at ")[0]) == ("Failed", "there are no files")
    odd = jobs.until("odd")
    assert odd["state"] == "Completed", odd
    found = [(row["t"], row["prediction"]) for row in jobs.rows("odd", "predictions.jsonl")]
    assert found == [
        ("of lines", 22),
        ("no end", 4),
        ("one row", 2),
        ('two\nlines, and "quotes"', 14),
        ("after them", 16),
        ("x", 18),
        ("w", 20),
        ("other order", 6),
    ]
    rejects = {(each["file_name"], each["row"]): each["reason"] for each in jobs.rows("odd", "rejects.jsonl")}
    assert "'nine'" in rejects["some.csv", 1]
    assert "no negative numbers" in rejects["some.csv", 2]
    told = jobs.log("odd", "job_progress_overview.txt")
    assert "latin.csv: it is not UTF-8: byte 0xe9" in told
    assert "other.csv: columns 'a', 't' missing" in told
    assert "report.pdf: File type 'pdf' is not supported" in told
    assert (len(rejects), odd["progress"]["files_skipped"]) == (2, 3)


def test_a_script_that_fails_on_some_files_ends_as_error_threshold_says(
    jobs: Jobs, data: Path, platform: Platform
) -> None:
    the_files(data, [("a.txt", "fine"), ("b.txt", "raise"), ("c.txt", "flaky"), ("d.txt", "raise"), ("e.txt", "fine")])
    for threshold in (-1, 0, 1, 2):
        jobs.begin(f"limit{threshold}", data, overrides={"error_threshold": threshold})
    for threshold, state in ((-1, "Completed"), (0, "Failed"), (1, "Failed"), (2, "Completed")):
        status = jobs.until(f"limit{threshold}")
        assert status["state"] == state, status
        if state == "Failed":
            assert "error_threshold" in status["message"]
            continue
        assert jobs.lines(f"limit{threshold}") == ["a.txt,4", "c.txt,5", "e.txt,4"]
        assert status["progress"]["files_failed"] == 2
        assert "b.txt" in jobs.log(f"limit{threshold}")
    assert "ValueError: the author's own words" in platform.run("job", "show", "-n", "limit0").stdout


def test_a_script_that_always_fails_is_given_up_early(jobs: Jobs, data: Path, platform: Platform) -> None:
    jobs.begin("always", the_files(data, [(f"{at:05}.txt", "raise") for at in range(5000)]))
    status = jobs.until("always")
    assert status["state"] == "Failed"
    assert "of 5000 mini-batches were tried, and all of them failed" in status["message"]
    assert status["progress"]["mini_batches_failed"] < 1000
    assert "ValueError: the author's own words" in platform.run("job", "show", "-n", "always").stdout


def test_what_hangs_dies_or_eats_memory_is_tried_again_and_then_failed(jobs: Jobs, data: Path) -> None:
    bad = {"hang.txt": "hang", "exit.txt": "exit", "eat.txt": f"eat {4 * 2**30}", "kill.txt": "kill"}
    the_files(data, [("a.txt", "fine"), ("print.txt", "print 20000000"), *bad.items(), ("z.txt", "fine")])
    patience = {"retry_settings.timeout": 2, "retry_settings.max_retries": 0}
    jobs.begin("deadly", data, overrides=patience, instance_count=2)
    status = jobs.until("deadly")
    assert (status["state"], status["progress"]["files_failed"]) == ("Completed", 4), status
    assert jobs.lines("deadly") == ["a.txt,4", "print.txt,14", "z.txt,4"]
    told = jobs.log("deadly")
    assert "no answer within 2 s\nfiles: hang.txt" in told
    assert "its worker ended with exit code 7\nfiles: exit.txt" in told
    assert "MemoryError" in told
    assert "its worker was killed (by a user, or because it had taken too much memory)\nfiles: kill.txt" in told


def test_output_that_is_there_already_is_refused_before_anything_is_scored(
    jobs: Jobs, data: Path, folder: Path
) -> None:
    the_files(data, [("a.txt", "fine")])
    taken = the_files(data.parent / "taken", [("predictions.csv", "mine")])
    answer = jobs.invoke("taken", data, output_path=str(taken))
    assert (answer.status_code, "holds predictions.csv already" in answer.text) == (409, True)
    assert "--output-path" in answer.text
    answer = jobs.invoke("taken", data, "model", output_path=str(taken), overrides={"output.mode": "partitioned"})
    assert (answer.status_code, "it must be empty" in answer.text) == (409, True)
    jobs.begin("beside", data, output_path=str(taken), output_file_name="other.csv")
    assert jobs.until("beside")["state"] == "Completed"
    assert (taken / "other.csv").read_text() == "a.txt,4\n"
    assert (taken / "predictions.csv").read_text() == "mine"
    assert not scored(folder, "taken")


def test_a_job_is_canceled_and_resumed_in_every_state(jobs: Jobs, data: Path, platform: Platform, folder: Path) -> None:
    sleepers(data, 16, 0.3)
    jobs.begin("queued", data, overrides={"compute": "azureml:none"})
    jobs.begin("running", data)
    jobs.begin("at-once", data)
    assert jobs.do("at-once", "cancel").status_code == 200
    wait_until(lambda: len(scored(folder, "running")) > 1)
    assert "compute 'none' has max_instances: 0" in jobs.until("queued", "Queued")["message"]
    for name in ("queued", "running"):
        jobs.do(name, "cancel")
    for name in ("queued", "at-once", "running"):
        assert jobs.until(name)["state"] == "Canceled"
    wait_until(lambda: platform.instance_pids("job") == [])
    jobs.begin("over", the_files(data.parent / "one", [("a.txt", "fine")]))
    assert jobs.until("over")["state"] == "Completed"
    assert jobs.do("over", "cancel").json()["change"] == "unchanged"
    assert jobs.do("over", "resume").status_code == 409
    before = scored(folder, "running")
    assert 0 < len(before) < 16
    for name in ("at-once", "running"):
        assert jobs.do(name, "resume").status_code == 200
    for name in ("at-once", "running"):
        assert jobs.until(name)["state"] == "Completed"
        assert jobs.lines(name) == [f"{at:02}.txt,9" for at in range(16)]
        # What was interrupted is scored again, what was done is not.
        assert set(scored(folder, name).values()) == {1}
    wait_until(lambda: platform.instance_pids("job") == [])


def test_ten_jobs_at_once_share_the_cores_and_all_are_completed(jobs: Jobs, data: Path, platform: Platform) -> None:
    cores = os.cpu_count() or 1
    sleepers(data, 4, 0.05)
    names = [jobs.begin(f"ten{at}", data, instance_count=cores) for at in range(10)]
    most = 0
    while not all(jobs.state(name) in ENDED for name in names):
        most = max(most, len(platform.instance_pids("job")))
        time.sleep(0.02)  # of the cores that the jobs share, the test takes little
    assert [jobs.state(name) for name in names] == ["Completed"] * 10
    assert [len(jobs.lines(name)) for name in names] == [4] * 10
    assert min(2, cores) <= most <= cores
    wait_until(lambda: platform.instance_pids("job") == [])


def test_computes_bound_their_jobs_and_low_priority_gives_way(
    jobs: Jobs, data: Path, platform: Platform, folder: Path
) -> None:
    cores = os.cpu_count() or 1
    jobs.begin("narrow", sleepers(data, 6), instance_count=4, overrides={"compute": "azureml:one"})
    while jobs.state("narrow") not in ENDED:
        assert len(platform.instance_pids("job.narrow")) <= 1
        time.sleep(0.02)
    many = sleepers(data.parent / "many", 30 * cores)
    jobs.begin("spot", many, instance_count=cores, overrides={"compute": "azureml:spot"})
    wait_until(lambda: scored(folder, "spot"))
    jobs.begin("first", data, instance_count=cores)
    waiting = jobs.until("spot", "Queued")
    assert "low priority" in waiting["message"]
    assert waiting["progress"]["files_done"] < 30 * cores
    assert jobs.until("first")["state"] == "Completed"
    assert jobs.until("spot")["state"] == "Completed"
    assert len(jobs.lines("spot")) == 30 * cores
    assert set(scored(folder, "spot").values()) == {1}


def test_since_scores_what_is_new_or_changed_along_the_chain_of_jobs(jobs: Jobs, data: Path, folder: Path) -> None:
    def next_job(name: str, since: str | None) -> list[str]:
        jobs.begin(name, data, since=since)
        assert jobs.until(name)["state"] == "Completed"
        return sorted(scored(folder, name))

    the_files(data, [("a.txt", "first"), ("b.txt", "first")])
    assert next_job("one", None) == ["a.txt", "b.txt"]
    the_files(data, [("c.txt", "new"), ("b.txt", "changed")])
    assert next_job("two", "one") == ["b.txt", "c.txt"]
    assert jobs.lines("two") == ["b.txt,7", "c.txt,3"]
    the_files(data, [("d.txt", "newer")])
    assert next_job("three", "last") == ["d.txt"]
    assert next_job("four", "three") == []


def test_a_dry_run_reads_a_thousand_rows_and_foretells_the_whole(jobs: Jobs, data: Path) -> None:
    bad = the_files(data.parent / "bad", [("a.csv", "a,t\n" + "-1,x\n" * 1_800_000)])  # so large that it is cut
    the_files(data, [("a.csv", "a,t\n" + "1,x\n" * 30_000), ("b.csv", "a,t\n" + "1,x\n" * 10_000)])
    jobs.begin("dry", data, "model", dry_run=True)
    jobs.begin("dry-bad", bad, "model", dry_run=True)
    status = jobs.until("dry")
    assert (status["state"], status["progress"]["rows_done"]) == ("Completed", 1000), status
    assert 35_000 < status["estimate"]["rows"] < 45_000
    assert "dry run: 1,000 rows" in status["message"]
    assert len(jobs.lines("dry", "predictions.jsonl")) == 1000
    failed = jobs.until("dry-bad")
    assert (failed["state"], "no negative numbers" in failed["failure"]) == ("Failed", True), failed
    refused = jobs.invoke("after-dry", data, "model", since="dry")
    assert (refused.status_code, "dry run" in refused.text) == (400, True)


def test_two_inputs_and_overrides_of_one_call(jobs: Jobs, data: Path) -> None:
    first, second = the_files(data / "1", [("a.txt", "one")]), the_files(data / "2", [("a.txt", "three")])
    jobs.begin("both", {"left": first, "right": second / "a.txt"}, overrides={"output_file_name": "both.csv"})
    assert jobs.until("both")["state"] == "Completed"
    assert jobs.lines("both", "both.csv") == ["a.txt,3", "a.txt,5"]


def test_five_thousand_tiny_files_are_scored_in_order(jobs: Jobs, data: Path) -> None:
    names = [f"{at:05}.txt" for at in range(5000)]
    the_files(data, [(f"{name[0:3]}/{name}", "x") for name in names])
    jobs.begin("tiny", data, mini_batch_size=250, instance_count=2)
    status = jobs.until("tiny")
    assert (status["state"], status["progress"]["files_done"]) == ("Completed", 5000)
    assert jobs.written("tiny") == [f"{name},1" for name in names]


def test_nothing_of_a_job_lives_after_its_end_even_if_the_platform_was_killed(
    jobs: Jobs, data: Path, platform: Platform, folder: Path
) -> None:
    sleepers(data, 12)
    jobs.begin("outlives", data)
    wait_until(lambda: len(scored(folder, "outlives")) > 1)
    platform.kill_control_plane()
    platform.up()
    with an_api(platform) as api:
        again = Jobs(platform, ENDPOINT, api)
        assert again.until("outlives")["state"] == "Completed"
        assert len(again.lines("outlives")) == 12
        assert set(scored(folder, "outlives").values()) == {1}
        wait_until(lambda: platform.instance_pids("job") == [])
        bad = the_files(data.parent / "bad", [("a.txt", "raise"), ("b.txt", "hang")])
        again.begin("last", bad, instance_count=2, overrides={"error_threshold": 0})
        assert again.until("last")["state"] == "Failed"
    platform.kill_control_plane()  # while its worker hangs
    platform.up()
    wait_until(lambda: platform.instance_pids("job") == [])

"""What run() of a batch script gets and may return, and what its mini-batches come to."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars
import pytest

from penstock_worker.batch.column_names import ColumnNames
from penstock_worker.batch.failing import TaskFailedError
from penstock_worker.batch.part_files import PartFiles
from penstock_worker.batch.script_rows import ScriptRows
from penstock_worker.batch.script_runner import ScriptRunner
from penstock_worker.batch_contract import INPUT_CHANGED, NO_SPACE, RUN_FAILED, File, Result, Segment, Task

NOTHING = "No succeeded mini batch item returned from run()"


def beat() -> None:
    raise AssertionError("a script gives no sign of life while it runs")


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """A mini-batch of three files."""
    (tmp_path / "parts").mkdir()
    segments: list[Segment] = []
    for number in range(3):
        path = tmp_path / f"{number}.txt"
        path.write_text("ab")
        segments.append(Segment(File(number, str(path), path.name, 2, path.stat().st_mtime_ns)))
    return Task("m1", "score", 7, tuple(segments))


def scored(task: Task, returned: Any, output_format: str = "azure") -> Result:
    folder = Path(task.segments[0].file.path).parent
    parts = PartFiles(folder)
    rows = ScriptRows(output_format, ColumnNames(folder))
    result = ScriptRunner(lambda _: returned, parts, rows).score(task, beat)
    parts.flush(parts.taken())
    return result


def written(task: Task, returned: Any, output_format: str = "azure") -> str:
    (part,) = scored(task, returned, output_format).parts
    return (Path(task.segments[0].file.path).parent / "parts" / part.name).read_text()


def left(task: Task) -> list[str]:
    return os.listdir(Path(task.segments[0].file.path).parent / "parts")


def test_run_gets_the_paths_of_its_files(task: Task, tmp_path: Path) -> None:
    seen: list[list[str]] = []
    ScriptRunner(lambda paths: seen.append(paths) or paths, PartFiles(tmp_path), None).score(task, beat)
    assert seen == [[str(tmp_path / "0.txt"), str(tmp_path / "1.txt"), str(tmp_path / "2.txt")]]


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        pytest.param(["a.jpg: 5", 'b, "c"', "é"], 'a.jpg: 5\nb, "c"\né\n', id="texts are lines as they are"),
        pytest.param([1, 2.5, True], "1\n2.5\nTrue\n", id="scalars are lines"),
        pytest.param((1, 2, 3), "1\n2\n3\n", id="a tuple is a list"),
        pytest.param([["a,b", 1], ("c", 0.1), []], '"a,b",1\nc,0.1\n\n', id="lists are rows"),
        pytest.param([{"a": 1}, None, b"x"], "{'a': 1}\nNone\nb'x'\n", id="anything else is as str() has it"),
        pytest.param(["\udcff"], "\\udcff\n", id="half a character does not spoil the file"),
        pytest.param(
            polars.DataFrame({"n": ["a,b", "c", "d"], "p": [0.5, 1.0, 2.0]}),
            '"a,b",0.5\nc,1.0\nd,2.0\n',
            id="a DataFrame has no header",
        ),
        pytest.param([polars.DataFrame({"n": [1, 2]}), "x", "y"], "1\n2\nx\ny\n", id="a DataFrame in a list"),
    ],
)
def test_what_run_returns_is_appended_as_rows(task: Task, returned: Any, text: str) -> None:
    assert written(task, returned) == text


def test_the_attempt_is_in_the_name_of_the_part(task: Task) -> None:
    assert [part.name for part in scored(task, ["a"]).parts] == ["m1-7.csv"]
    assert left(task) == ["m1-7.csv"]


@pytest.mark.parametrize(
    ("returned", "faults"),
    [
        pytest.param(["a"], 2, id="fewer"),
        pytest.param(["a", "b", "c"], 0, id="as many"),
        pytest.param(["a", "b", "c", "d"], 0, id="more"),
        pytest.param(polars.DataFrame({"n": [1, 2]}), 1, id="fewer rows of a DataFrame"),
    ],
)
def test_fewer_results_than_files_count_as_failures(task: Task, returned: Any, faults: int) -> None:
    result = scored(task, returned)
    assert len(result.faults) == faults
    assert (result.rows_in, result.rows_out, result.bytes_in) == (3, len(returned), 6)
    assert [part.rows for part in result.parts] == [len(returned)]


@pytest.mark.parametrize("output_action", ["append_row", "summary_only"])
@pytest.mark.parametrize("returned", [None, "text", 5, {"a": 1}, iter([1]), [], polars.DataFrame()])
def test_a_mini_batch_without_an_item_fails_in_azures_words(task: Task, returned: Any, output_action: str) -> None:
    folder = Path(task.segments[0].file.path).parent
    rows = ScriptRows("azure", ColumnNames(folder)) if output_action == "append_row" else None
    with pytest.raises(TaskFailedError) as caught:
        ScriptRunner(lambda _: returned, PartFiles(folder), rows).score(task, beat)
    assert caught.value.reason == RUN_FAILED
    assert str(caught.value).startswith(NOTHING)
    assert left(task) == []


def test_with_summary_only_the_items_only_count(task: Task, tmp_path: Path) -> None:
    result = ScriptRunner(lambda paths: paths[:2], PartFiles(tmp_path), None).score(task, beat)
    assert (result.parts, result.rows_out, len(result.faults)) == ((), 2, 1)
    assert left(task) == []


def test_run_that_raises_leaves_no_part(task: Task, tmp_path: Path) -> None:
    def run(_paths: list[str]) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        ScriptRunner(run, PartFiles(tmp_path), ScriptRows("azure", ColumnNames(tmp_path))).score(task, beat)
    assert left(task) == []


def test_a_file_that_was_fetched_is_as_old_as_its_copy(task: Task, tmp_path: Path) -> None:
    segments = tuple(replace(each, file=replace(each.file, modified_ns=-1)) for each in task.segments)
    fetched = replace(task, segments=segments)
    assert ScriptRunner(lambda paths: paths, PartFiles(tmp_path), None).score(fetched, beat).rows_out == 3


@pytest.mark.parametrize("raises", [False, True])
def test_a_file_that_changes_while_it_is_scored_is_found_out(task: Task, tmp_path: Path, *, raises: bool) -> None:
    def run(paths: list[str]) -> list[str]:
        Path(paths[1]).write_text("longer")
        if raises:
            raise ValueError("what is this")
        return paths

    with pytest.raises(TaskFailedError, match=r"1\.txt has changed since the job was planned") as caught:
        ScriptRunner(run, PartFiles(tmp_path), None).score(task, beat)
    assert caught.value.reason == INPUT_CHANGED


def test_a_full_disk_leaves_no_part(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(TaskFailedError, match="its output cannot be written: no space left") as caught:
        scored(task, ["a"])
    assert caught.value.reason == NO_SPACE
    assert left(task) == []


def test_an_item_that_cannot_be_written_leaves_no_part_of_those_before_it(task: Task) -> None:
    class Secret:
        def __str__(self) -> str:
            raise ValueError("not for you")

    with pytest.raises(TaskFailedError, match="what run\\(\\) returned cannot be written: ValueError: not for you"):
        scored(task, ["a", Secret()])
    assert left(task) == []


FRAME = polars.DataFrame({"n": ["a,b", "c", None], "p": [0.1, None, 2.0]})
RECORDS = [{"n": "a,b", "p": 0.1}, {"n": "c", "p": None}, {"n": None, "p": 2.0}]


@pytest.mark.parametrize("returned", [FRAME, RECORDS])
def test_csv_has_the_names_of_its_columns_beside_the_parts(task: Task, returned: Any, tmp_path: Path) -> None:
    assert written(task, returned, "csv") == '"a,b",0.1\nc,\n,2.0\n'
    assert json.loads((tmp_path / "parts" / "columns.json").read_text()) == ["n", "p"]


@pytest.mark.parametrize("returned", [FRAME, RECORDS])
def test_json_lines_keep_names_and_numbers(task: Task, returned: Any) -> None:
    assert [json.loads(line) for line in written(task, returned, "jsonl").splitlines()] == RECORDS


def test_items_without_names_are_given_some(task: Task) -> None:
    lines = written(task, ["a", ["b", 1], (float("nan"),)], "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == [{"prediction": "a"}, {"0": "b", "1": 1}, {"0": None}]


def test_numbers_that_json_does_not_know_are_nulls_wherever_they_stand(task: Task) -> None:
    nan, infinite = float("nan"), float("inf")
    (line,) = written(task, [{"a": [1.5, nan], "b": infinite, "c": {"d": -infinite}}], "jsonl").splitlines()
    assert line == '{"a": [1.5, null], "b": null, "c": {"d": null}}'


def test_a_dataframe_of_polars_is_parquet(task: Task, tmp_path: Path) -> None:
    (part,) = scored(task, FRAME, "parquet").parts
    assert polars.read_parquet(tmp_path / "parts" / part.name).equals(FRAME)


def test_columns_in_another_order_go_where_they_belong(task: Task) -> None:
    assert written(task, FRAME, "csv") == written(task, FRAME.select("p", "n"), "csv")
    assert written(task, [{"p": 1, "n": 2}], "csv") == "2,1\n"


def test_other_columns_than_those_of_other_mini_batches_fail(task: Task) -> None:
    scored(task, FRAME, "csv")
    with pytest.raises(TaskFailedError, match="its columns are n, q; those of other mini-batches are n, p") as caught:
        scored(task, [{"n": 1, "q": 2}], "csv")
    assert caught.value.reason == RUN_FAILED


def test_what_the_output_cannot_hold_fails_with_the_reason(task: Task) -> None:
    with pytest.raises(TaskFailedError, match="what run\\(\\) returned cannot be written: TypeError"):
        scored(task, [{"a": object()}], "jsonl")

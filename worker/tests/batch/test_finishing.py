"""The final files of a job: what they are called, what is in them, and what is not touched."""

import errno
import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock_worker import published
from penstock_worker.batch import copying, finishing
from penstock_worker.batch.finishing import finish
from penstock_worker.batch.publication import Publication
from penstock_worker.batch_contract import (
    FINISH,
    NO_SPACE,
    OUTPUT_EXISTS,
    ManifestLine,
    Order,
    Result,
    Task,
)


class Job:
    """The work folder and the output folder of a job, and what its order says."""

    def __init__(self, folder: Path, **order: Any) -> None:
        self.work, self.output = folder / "work", folder / "out"
        (self.work / "parts").mkdir(parents=True)
        plain = Order("j1", "append_row", "azure", "one_file", "predictions.csv", str(self.output))
        self.order = replace(plain, **order)
        self.lines: list[ManifestLine] = []
        self.count = 0

    def part(self, file: str, content: bytes | pa.Table, kind: str = "rows") -> None:
        self.count += 1
        name = f"{self.count:06d}-1.{'parquet' if isinstance(content, pa.Table) else 'csv'}"
        path = self.work / "parts" / name
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
            rows = content.num_rows
        else:
            path.write_bytes(content)
            rows = content.count(b"\n")
        path.chmod(0o600)
        self.lines.append(ManifestLine(name, kind, file, rows))

    def finish(self, beat: Any = lambda: None) -> Result:
        manifest = self.work / "manifest.jsonl"
        manifest.write_text("".join(json.dumps(asdict(line)) + "\n" for line in self.lines))
        self.task = Task("finish", FINISH, 1, manifest=str(manifest))
        return finish(self.work, self.task, self.order, beat)

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.output)): p.read_bytes() for p in self.output.rglob("*") if p.is_file()}

    def done(self) -> dict[str, bytes]:
        parts = {path: path.read_bytes() for path in (self.work / "parts").iterdir()}
        result = self.finish()
        assert (result.reason, result.message) == ("", "")
        assert parts == {path: path.read_bytes() for path in (self.work / "parts").iterdir()}
        return self.files()


def test_rows_come_in_the_order_of_the_input_and_rejects_beside_them(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.part("b.csv", b"0,yes,b.csv\n")
    job.part("", b'{"row": 1}\n', "rejects")
    job.part("a.csv", b"0,no,a.csv\n1,no,a.csv\n")
    job.part("", b'{"row": 2}\n', "rejects")
    assert job.done() == {
        "predictions.csv": b"0,yes,b.csv\n0,no,a.csv\n1,no,a.csv\n",
        "rejects.jsonl": b'{"row": 1}\n{"row": 2}\n',
    }
    result = job.finish()
    assert (result.id, result.attempt, result.rows_out, result.rows_rejected) == ("finish", 1, 3, 2)


def test_a_csv_has_one_header_and_a_last_line_without_an_end_does_not_swallow_the_next(tmp_path: Path) -> None:
    job = Job(tmp_path, output_format="csv")
    (job.work / "parts" / "columns.json").write_text(json.dumps(["id", 'the "name", as it is']))
    job.part("a.csv", b"1,x")
    job.part("a.csv", b"")
    job.part("a.csv", b"2,y\n")
    assert job.done() == {"predictions.csv": b'id,"the ""name"", as it is"\n1,x\n2,y\n'}


@pytest.mark.parametrize(
    ("form", "name", "content"),
    [
        pytest.param("azure", "predictions.csv", b"", id="Azure's form"),
        pytest.param("csv", "predictions.csv", b"id\n", id="CSV with its header"),
        pytest.param("jsonl", "predictions.jsonl", b"", id="JSON lines"),
    ],
)
def test_no_rows_at_all_are_an_empty_file(tmp_path: Path, form: str, name: str, content: bytes) -> None:
    job = Job(tmp_path, output_format=form)
    (job.work / "parts" / "columns.json").write_text('["id"]')
    assert job.done() == {name: content}


def test_no_rows_at_all_are_a_parquet_file_that_can_be_read(tmp_path: Path) -> None:
    job = Job(tmp_path, output_format="parquet")
    job.done()
    assert pq.read_table(job.output / "predictions.parquet").num_rows == 0


def test_csv_parts_that_were_written_before_a_column_came_have_it_empty(tmp_path: Path) -> None:
    job = Job(tmp_path, output_format="csv")
    (job.work / "parts" / "columns.json").write_text('["id", "note", "more"]')
    for width, content in ((2, b'1,"a\n""b"""\n2,c\n'), (3, b"3,d,e\n"), (1, b"4\n")):
        job.part("a.csv", content)
        name = job.lines[-1].part
        marked = name.replace(".csv", f".w{width}.csv")
        (job.work / "parts" / name).rename(job.work / "parts" / marked)
        job.lines[-1] = replace(job.lines[-1], part=marked)
    assert job.done() == {"predictions.csv": b'id,note,more\n1,"a\n""b""",\n2,c,\n3,d,e\n4,,\n'}


def test_parquet_parts_are_one_file_whether_or_not_they_are_of_one_schema(tmp_path: Path) -> None:
    for case, second in (("same", pa.table({"p": [2]})), ("other", pa.table({"p": [2.5]}))):
        job = Job(tmp_path / case, output_format="parquet", output_file_name="mine.parquet")
        job.part("a.csv", pa.table({"p": [1]}))
        job.part("b.csv", second)
        job.done()
        assert pq.read_table(job.output / "mine.parquet")["p"].to_pylist() == [1, second["p"][0].as_py()]


def test_each_input_has_an_output_of_its_path_and_no_two_have_the_same(tmp_path: Path) -> None:
    job = Job(tmp_path, output_format="jsonl", output_mode="per_input")
    for name in ("x/a.csv", "x/a.csv", "x/a.parquet", "x/a.jsonl", "x/a.tsv", "b.csv", "a.jsonl/c.csv", "a.csv"):
        job.part(name, f"{name}\n".encode())
    job.part("", b"{}\n", "rejects")
    job.part("rejects.csv", b"mine\n")
    files = job.done()
    assert files == {
        "x/a.jsonl": b"x/a.csv\nx/a.csv\n",
        "x/a.parquet.jsonl": b"x/a.parquet\n",
        "x/a.jsonl.jsonl": b"x/a.jsonl\n",
        "x/a.tsv.jsonl": b"x/a.tsv\n",
        "b.jsonl": b"b.csv\n",
        "a.jsonl/c.jsonl": b"a.jsonl/c.csv\n",
        "a.csv.jsonl": b"a.csv\n",
        "rejects.jsonl": b"{}\n",
        "rejects.csv.jsonl": b"mine\n",
    }


def test_rows_of_which_a_script_has_not_told_the_file_are_in_one_file_beside_the_others(tmp_path: Path) -> None:
    job = Job(tmp_path, output_format="csv", output_mode="per_input")
    for name, row in (("", b"1\n"), ("predictions.tsv", b"2\n"), ("", b"3\n")):
        job.part(name, row)
    assert job.done() == {"predictions.csv": b"1\n3\n", "predictions.tsv.csv": b"2\n"}


def test_a_folder_that_has_become_a_files_name_makes_room(tmp_path: Path) -> None:
    job = Job(tmp_path, output_format="csv", output_mode="per_input")
    job.part("a.tsv", b"file\n")
    job.part("a.csv/b.tsv", b"inner\n")
    files = job.done()
    assert files.pop("a.csv") == b"file\n"
    ((name, content),) = files.items()
    assert content == b"inner\n"
    assert name.startswith("b-")


def test_hostile_names_stay_in_the_output_folder(tmp_path: Path) -> None:
    job = Job(tmp_path / "deep" / "deeper", output_mode="per_input")
    names = ["../../evil", "/etc/evil", "a\0b", "x" * 300, "../" * 50 + "evil", ".penstock-j1/evil", "é" * 2000, "."]
    for name in names:
        job.part(name, b"row\n")
    files = job.done()
    assert len(files) == len(names)
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    assert {path.name for path in (tmp_path / "deep" / "deeper").iterdir()} == {"work", "out"}


def test_parts_of_a_partitioned_output_are_links_that_whoever_asked_may_read(tmp_path: Path) -> None:
    job = Job(tmp_path, output_format="parquet", output_mode="partitioned")
    for number in range(3):
        job.part("a.csv", pa.table({"p": [number]}))
    files = job.done()
    assert sorted(files) == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert pq.read_table(job.output)["p"].to_pylist() == [0, 1, 2]
    (tmp_path / "umask").touch()
    for name, line in zip(sorted(files), job.lines, strict=True):
        assert os.path.samefile(job.output / name, job.work / "parts" / line.part)
        assert (job.output / name).stat().st_mode == (tmp_path / "umask").stat().st_mode


def test_a_summary_is_what_the_script_wrote_and_nothing_else(tmp_path: Path) -> None:
    job = Job(tmp_path, output_action="summary_only")
    job.part("", b"returned\n")
    job.output.mkdir()
    (job.output / "mine.txt").write_text("mine")
    assert job.done() == {"mine.txt": b"mine"}


@pytest.mark.parametrize("mode", ["one_file", "per_input", "partitioned"])
def test_files_of_others_are_not_touched_and_named(tmp_path: Path, mode: str) -> None:
    job = Job(tmp_path, output_mode=mode)
    job.part("a/predictions.csv", b"new\n")
    job.part("part-00000.csv", b"new\n")
    taken = {"one_file": "predictions.csv", "per_input": "part-00000.csv", "partitioned": "part-00000.csv"}[mode]
    job.output.mkdir()
    (job.output / taken).write_bytes(b"old")
    result = job.finish()
    assert result.reason == OUTPUT_EXISTS
    assert taken in result.message
    assert "--output-path" in result.message
    assert job.files() == {taken: b"old"}
    (job.output / taken).unlink()
    assert job.finish().reason == ""


def test_links_in_the_output_folder_are_not_followed(tmp_path: Path) -> None:
    job = Job(tmp_path, output_mode="per_input")
    job.part("sub/a.csv", b"row\n")
    (tmp_path / "elsewhere").mkdir()
    job.output.mkdir()
    (job.output / "sub").symlink_to(tmp_path / "elsewhere")
    assert job.finish().reason == OUTPUT_EXISTS
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_output_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    for case in ("link", "link/out"):
        job = Job(
            tmp_path / case.replace("/", "-"), output_folder=str(tmp_path / case), output_file_name=f"{len(case)}"
        )
        job.part("a.csv", b"1\n")
        assert job.finish().reason == ""
    assert (tmp_path / "disk" / "4").read_bytes() == (tmp_path / "disk" / "out" / "8").read_bytes() == b"1\n"


def test_a_file_in_place_of_the_output_folder_is_told(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.output.write_text("a file")
    result = job.finish()
    assert result.reason == OUTPUT_EXISTS
    assert str(job.output) in result.message


def test_finished_twice_is_finished_once(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.part("a.csv", b"1\n")
    before = job.done()
    inode = (job.output / "predictions.csv").stat().st_ino
    assert job.done() == before
    assert (job.output / "predictions.csv").stat().st_ino == inode


def test_an_output_that_was_removed_is_made_again(tmp_path: Path) -> None:
    job = Job(tmp_path, output_mode="per_input")
    job.part("a.csv", b"1\n")
    job.part("b.csv", b"2\n")
    before = job.done()
    (job.output / "a.csv").unlink()
    assert job.done() == before


def test_a_resumed_job_with_more_rows_replaces_what_it_had_written(tmp_path: Path) -> None:
    job = Job(tmp_path, output_mode="per_input")
    job.part("only/a.csv", b"1\n")
    job.done()
    job.lines.clear()
    job.part("b.csv", b"2\n")
    (job.output / "others").write_bytes(b"kept")
    assert job.done() == {"b.csv": b"2\n", "others": b"kept"}
    assert not (job.output / "only").exists()


def test_an_output_that_somebody_has_changed_is_his(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.part("a.csv", b"1\n")
    job.part("a.csv", b"2\n")
    job.done()
    (job.output / "predictions.csv").write_bytes(b"corrected by hand")
    assert job.finish().reason == OUTPUT_EXISTS
    assert job.files() == {"predictions.csv": b"corrected by hand"}


def killed(_: Publication) -> None:
    raise KeyboardInterrupt


def test_a_loss_of_power_before_the_files_were_on_disk_has_them_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_BOOT", tmp_path / "boot")
    (tmp_path / "boot").write_text("first")
    job = Job(tmp_path, output_mode="per_input")
    for name in ("x/a.csv", "x/a.csv", "b.csv"):
        job.part(name, b"1\n")
    before = {"x/a.csv": b"1\n1\n", "b.csv": b"1\n"}
    monkeypatch.setattr(Publication, "settle", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            job.finish()
    assert job.files() == before
    (job.output / "x" / "a.csv").write_bytes(b"")
    (tmp_path / "boot").write_text("second")
    with pytest.raises(KeyboardInterrupt):
        job.finish()
    assert job.files() == before

    monkeypatch.undo()
    monkeypatch.setattr(published, "_BOOT", tmp_path / "boot")
    assert job.finish().reason == ""
    inode = (job.output / "x" / "a.csv").stat().st_ino
    (tmp_path / "boot").write_text("third")
    assert job.finish().reason == ""
    assert (job.output / "x" / "a.csv").stat().st_ino == inode, "what was on disk is still there"


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path)
    for _ in range(3):
        job.part("a.csv", b"1\n")
    calls = iter(range(100))
    real = os.copy_file_range

    def full(*arguments: Any) -> int:
        if next(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    monkeypatch.setattr(os, "copy_file_range", full)
    result = job.finish()
    assert result.reason == NO_SPACE
    assert str(job.output) in result.message
    assert list(job.output.iterdir()) == []
    assert job.done() == {"predictions.csv": b"1\n1\n1\n"}


def test_a_part_that_is_gone_fails_and_leaves_nothing_behind(tmp_path: Path) -> None:
    job = Job(tmp_path, output_mode="partitioned")
    job.part("a.csv", b"1\n")
    job.part("a.csv", b"2\n")
    (job.work / "parts" / job.lines[1].part).unlink()
    with pytest.raises(FileNotFoundError, match=job.lines[1].part):
        job.finish()
    assert list(job.output.iterdir()) == []


@pytest.mark.parametrize("name", ["../secret", ".hidden", ""], ids=["upwards", "a temporary file", "nothing"])
def test_a_manifest_names_nothing_but_parts(tmp_path: Path, name: str) -> None:
    job = Job(tmp_path)
    job.lines.append(ManifestLine(name, "rows", "a.csv", 1))
    with pytest.raises(ValueError, match="no name of a part"):
        job.finish()


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param(["copy_file_range"], id="no ranges: sendfile"),
        pytest.param(["copy_file_range", "sendfile"], id="neither: read and write"),
    ],
)
def test_where_the_kernel_cannot_copy_it_is_done_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: Iterable[str]
) -> None:
    def unable(*_: Any, **__: Any) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    for name in missing:
        monkeypatch.setattr(os, name, unable)
    monkeypatch.setattr(copying, "_STEP_BYTES", 7)
    job = Job(tmp_path)
    for number in range(5):
        job.part("a.csv", b"%d" % number * 50 + b"\n")
    assert job.done() == {"predictions.csv": b"".join(b"%d" % n * 50 + b"\n" for n in range(5))}


def test_without_links_files_are_copied_and_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", unable)
    job = Job(tmp_path, output_mode="partitioned")
    job.part("a.csv", b"1\n")
    job.part("a.csv", b"2\n")
    assert job.done() == {"part-00000.csv": b"1\n", "part-00001.csv": b"2\n"}
    assert job.finish().reason == ""


def test_two_workers_do_not_finish_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing, "_LOCK_SECONDS", 0.0)
    job = Job(tmp_path)
    with (job.work / "finish.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="another worker"):
            job.finish()
    assert job.finish().reason == ""


def test_the_beat_does_not_stop_over_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing, "_BEAT_SECONDS", 0.0)
    job = Job(tmp_path, output_mode="per_input")
    for number in range(1000):
        job.part(f"{number % 10}/{number}.csv", b"1\n")
    beats: list[int] = []
    assert job.finish(lambda: beats.append(1)).reason == ""
    assert len(beats) > 1000
    assert len(job.files()) == 1000

"""What a job's user may have of its files."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.batch import job_files
from penstock.batch.job_files import JobFiles
from penstock.batch.places import JobPlaces
from penstock.control.resources import Resources
from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.errors import Code, PenstockError
from penstock.domain.job import JOB, Job, JobInput
from penstock.store.sql import open_store
from penstock.testing.clock import ManualClock

PLACES = "jobs"


class World:
    def __init__(self, root: Path, resources: Resources) -> None:
        self.places = JobPlaces(root / PLACES)
        self.files = JobFiles(resources, self.places)
        self.resources = resources

    def job(self, name: str, output_path: str | None = None) -> None:
        spec = Job(
            endpoint_name="score",
            deployment_name="first",
            deployment=BatchDeployment(model="azureml:m:1"),
            inputs={"x": JobInput(path="/data")},
            output_path=output_path,
        )
        self.resources.apply(JOB, name, spec, actor="me@host")

    def write(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as store:
        yield World(tmp_path, Resources(store, ManualClock(), lambda _: None))


def test_outputs_are_listed_by_their_names_without_what_is_being_written(world: World) -> None:
    world.job("nightly")
    assert world.files.outputs("nightly") == []
    folder = world.places.outputs("nightly") / "score"
    world.write(folder / "predictions.csv", "1\n")
    world.write(folder / "deep" / "more.csv", "12\n")
    world.write(folder / ".predictions.csv.1.tmp", "1")
    os.symlink("/etc", folder / "etc")
    assert [(f.path, f.size) for f in world.files.outputs("nightly")] == [
        ("score/deep/more.csv", 3),
        ("score/predictions.csv", 2),
    ]
    with world.files.open_output("nightly", "score/deep/more.csv") as file:
        assert file.read() == b"12\n"


@pytest.mark.parametrize(
    "path",
    [
        *("", "score", "score/", "score/..", "score//predictions.csv", "other/x", "score/etc", "score/etc/hostname"),
        *("score/../../work/order.json", "../nightly/outputs/score/predictions.csv", "score/a\0b", "score/pipe"),
    ],
)
def test_nothing_else_can_be_had(world: World, path: str) -> None:
    world.job("nightly")
    folder = world.places.outputs("nightly") / "score"
    world.write(folder / "predictions.csv", "1\n")
    world.write(world.places.work("nightly") / "order.json", "{}")
    os.symlink("/etc", folder / "etc")
    os.mkfifo(folder / "pipe")
    with pytest.raises(PenstockError) as error:
        world.files.open_output("nightly", path)
    assert error.value.code is Code.NOT_FOUND


def test_outputs_on_this_machine_are_read_where_they_were_asked_for(world: World, tmp_path: Path) -> None:
    for name, uri in (("here", f"file://{tmp_path}/scores%20here"), ("there", "s3://bucket/scores")):
        world.job(name, output_path=uri)
        job = world.resources.get(JOB, name)
        status = job.status.model_copy(update={"outputs": {"score": uri}})
        world.resources.set_status(JOB, job, status)
    world.write(tmp_path / "scores here" / "predictions.csv", "1\n")
    assert [file.path for file in world.files.outputs("here")] == ["score/predictions.csv"]
    with pytest.raises(PenstockError, match="s3://bucket/scores"):
        world.files.outputs("there")


def test_more_outputs_than_an_answer_has_are_refused_and_not_cut_short(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_files, "_MOST_FILES", 2)
    world.job("nightly")
    folder = world.places.outputs("nightly") / "score"
    for name in ("a", "b"):
        world.write(folder / f"{name}.csv", "1\n")
    assert len(world.files.outputs("nightly")) == 2
    world.write(folder / "c.csv", "1\n")
    with pytest.raises(PenstockError, match=f"more than 2 files: copy them from {folder}") as error:
        world.files.outputs("nightly")
    assert error.value.code is Code.CONFLICT


def test_a_name_that_is_no_text_is_told_and_where_the_files_are(world: World) -> None:
    world.job("nightly")
    folder = world.places.outputs("nightly") / "score"
    world.write(Path(os.fsdecode(bytes(folder) + b"/caf\xe9.csv")), "1")
    with pytest.raises(
        PenstockError, match=rf"'caf\\udce9.csv', whose name is not UTF-8: copy the files from {folder}"
    ):
        world.files.outputs("nightly")


def test_a_log_is_read_on_from_where_one_was_by_whole_lines(world: World) -> None:
    world.job("nightly")
    first = world.files.log("nightly", "user/error.txt", 0)
    assert (first.text, first.after, first.files) == ("", 0, ())
    log = world.write(world.places.logs("nightly") / "user" / "error.txt", "one\ntw")
    read = world.files.log("nightly", "user/error.txt", 0)
    assert (read.text, read.after) == ("one\n", 4)
    log.write_text("one\ntwo\nthree\n")
    assert world.files.log("nightly", "user/error.txt", read.after).text == "two\nthree\n"
    assert world.files.log("nightly", "../outputs/x", 0).text == ""

"""What a job reads that comes after others."""

from pathlib import Path

from penstock.batch.job_input import Earlier, JobInput
from penstock.batch.places import JobPlaces
from penstock.batch.planning import by_count
from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.job import Job
from penstock.domain.job import JobInput as Given
from penstock.storage.local import LocalStorage
from penstock.store.ledger import LedgerFile, MiniBatchId, MiniBatchState, Outcome
from penstock.testing.ledger import MemoryLedger


class World:
    """A folder of files, and jobs that score it one after the other, each since the last one."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self.ledger = MemoryLedger()
        self.jobs: dict[str, Earlier] = {}
        self.input = JobInput(LocalStorage(), self.ledger, JobPlaces(folder / "jobs"), self.jobs.get)

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.data / name).write_text(text)

    def run(self, job: str, since: str | None, *failing: str, completed: bool = True) -> list[str]:
        """Names of the files that a job reads; all are scored but those that fail."""
        spec = Job(
            endpoint_name="score",
            deployment_name="first",
            deployment=BatchDeployment(model="azureml:m:1"),
            inputs={"x": Given(path=str(self.data))},
            since=since,
        )
        files = self.input.listed(job, spec)
        self.jobs[job] = Earlier(since, completed)
        self.ledger.open(job, files)
        self.ledger.cut(job, [f.number for f in files], by_count(files, {f.number: f.uri for f in files}, 1))
        self.ledger.note(job, [_outcome(file, failed=file.name in failing) for file in files])
        return [file.name for file in files]


def test_each_job_leaves_out_what_any_before_it_has_scored(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(a="1", b="1")
    assert world.run("one", None) == ["a", "b"]
    world.write(c="1", b="changed")
    assert world.run("two", "one", "c") == ["b", "c"]
    assert world.run("three", "two") == ["c"]  # it has failed before
    world.write(d="1")
    assert world.run("four", "three") == ["d"]
    assert world.run("five", "four") == []


def test_what_a_job_has_scored_that_did_not_complete_is_scored_by_the_next_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(a="1")
    assert world.run("one", None) == ["a"]
    world.write(b="1", c="1")
    assert world.run("two", "one", "c", completed=False) == ["b", "c"]
    assert world.run("three", "two") == ["b", "c"]
    assert world.run("four", "three") == []


def test_a_chain_that_bites_its_tail_comes_to_an_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(a="1")
    world.run("one", None)
    world.jobs["one"] = Earlier("one", completed=True)
    assert world.run("two", "one") == []


def _outcome(file: LedgerFile, *, failed: bool) -> Outcome:
    state = MiniBatchState.FAILED if failed else MiniBatchState.DONE
    return Outcome(id=MiniBatchId(file.number, 0), state=state, attempt=1)

"""The loop over tasks, with what does them and the disk as a test has them."""

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock_worker import batch_contract
from penstock_worker.batch.ending import Ending
from penstock_worker.batch.loop import Loop, Seat
from penstock_worker.batch.part_files import PartFiles
from penstock_worker.batch.runner import Loaded
from penstock_worker.batch_contract import NO_SPACE, RUN_FAILED, Result, Task

Beat = Callable[[], None]


class Disk:
    """What os.fsync() does: it waits until the disk is `ready`, and then fails if it is `full`."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.ready.set()
        self.full = False

    def flush(self, _descriptor: int) -> None:
        assert self.ready.wait(60)
        if self.full:
            full()


class Place:
    """A job's folder, a loop over the tasks of its worker, and what was done."""

    def __init__(self, root: Path, disk: Disk) -> None:
        for name in ("tasks/w1", "results", "parts", "current"):
            (root / name).mkdir(parents=True)
        self.root = root
        self.disk = disk
        self.ending = Ending()
        self.files = PartFiles(root)
        self.done: list[str] = []

    def give(self, *ids: str) -> None:
        for each in ids:
            batch_contract.write(self.root / "tasks" / "w1" / f"{each}.json", Task(each, "score", 1), safe=False)

    def do(self, task: Task, _beat: Beat) -> Result:
        """Each mini-batch comes to a part of its name."""
        self.done.append(task.id)
        self.files.write(task.id, lambda file: file.write(b"x"))
        return Result(task.id, task.attempt, "")

    def run(self, do: Any = None, idle_seconds: float = 0.0) -> None:
        loaded = Loaded(None, "run()", self.files)  # type: ignore[arg-type]
        Loop(Seat(self.root, "w1", self.root), loaded, do or self.do, self.ending).run(idle_seconds)

    def result(self, task: str) -> Result:
        result = batch_contract.read(batch_contract.result_path(self.root, task, 1), Result)
        assert result is not None
        return result

    @property
    def results(self) -> list[str]:
        return sorted(os.listdir(self.root / "results"))

    @property
    def tasks(self) -> list[str]:
        return sorted(os.listdir(self.root / "tasks" / "w1"))

    @property
    def parts(self) -> list[str]:
        return sorted(os.listdir(self.root / "parts"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.flush)
    return Place(tmp_path, disk)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "no space left")


def slow(result: Result) -> Result:
    """One that does not wait for others."""
    return replace(result, seconds={"predict": 1.0})


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_tasks_are_done_in_the_order_of_their_ids(place: Place) -> None:
    place.give("m2", "m1", "c9", "m3")
    place.run()
    assert place.done == ["c9", "m1", "m2", "m3"]
    assert place.tasks == []
    assert place.result("m1").worker == "w1"


def test_results_of_a_moment_are_told_together_once_their_parts_are_safe(place: Place) -> None:
    seen: list[list[str]] = []

    def look(task: Task, beat: Beat) -> Result:
        seen.append(place.results)
        return place.do(task, beat)

    place.give("m1", "m2", "m3")
    place.run(look)
    assert seen == [[], [], []]
    assert place.results == ["m1-1.json", "m2-1.json", "m3-1.json"]


def test_a_result_is_told_while_the_next_mini_batch_runs_but_not_before_its_part_is_safe(place: Place) -> None:
    def do(task: Task, beat: Beat) -> Result:
        if task.id == "m1":
            place.disk.ready.clear()
        else:
            time.sleep(0.1)  # what is told too early is told by now
            assert (place.parts, place.results, place.tasks) == (["m1"], [], ["m1.json", "m2.json"])
            place.disk.ready.set()
            wait_for(lambda: place.tasks == ["m2.json"])
            assert place.results == ["m1-1.json"]
        return slow(place.do(task, beat))

    place.give("m1", "m2")
    place.run(do)
    assert place.done == ["m1", "m2"]
    assert place.results == ["m1-1.json", "m2-1.json"]


def test_a_quick_result_does_not_wait_for_a_slow_one_after_it(place: Place) -> None:
    def do(task: Task, beat: Beat) -> Result:
        if task.id == "m2":
            wait_for(lambda: place.results == ["m1-1.json"])
        return place.do(task, beat)

    place.give("m1", "m2")
    place.run(do)
    assert place.tasks == []


def test_a_slow_disk_delays_work_once_too_much_is_not_safe(place: Place) -> None:
    names = [f"m{number:03d}" for number in range(300)]
    done: list[int] = []

    def be_ready() -> None:
        done.append(len(place.done))
        place.disk.ready.set()

    place.give(*names)
    place.disk.ready.clear()
    threading.Timer(0.5, be_ready).start()
    place.run()
    assert done[0] <= 64 + 64, "some on their way to the disk, some that wait"
    assert (place.done, place.tasks, len(place.results)) == (names, [], 300)


def test_a_mini_batch_of_many_parts_leaves_few_files_open(place: Place) -> None:
    for number in range(200):
        place.files.write(str(number), lambda file: file.write(b"x"))
    taken = place.files.taken()
    assert len([each for each in taken if each.descriptor is not None]) == 64
    place.disk.full = True
    with pytest.raises(OSError, match="space"):
        place.files.flush(taken)
    assert place.parts == []


def test_a_result_that_power_loss_has_emptied_is_made_again(place: Place) -> None:
    place.give("m1")
    batch_contract.result_path(place.root, "m1", 1).touch()
    place.run()
    assert place.done == ["m1"]
    assert place.result("m1").reason == ""


def test_parts_that_a_full_disk_has_lost_are_not_told_of(place: Place) -> None:
    place.give("m1", "m2")
    place.disk.full = True
    place.run()
    assert [place.result(task).reason for task in ("m1", "m2")] == [NO_SPACE, NO_SPACE]
    assert (place.tasks, place.parts) == ([], [])


def test_a_disk_that_is_full_for_one_mini_batch_costs_the_next_one_nothing(place: Place) -> None:
    def do(task: Task, beat: Beat) -> Result:
        if task.id == "m2":
            wait_for(lambda: place.results == ["m1-1.json"])
        place.disk.full = task.id == "m1"
        return slow(place.do(task, beat))

    place.give("m1", "m2")
    place.run(do)
    assert [place.result(task).reason for task in ("m1", "m2")] == [NO_SPACE, ""]
    assert place.parts == ["m2"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(OSError(errno.ENOSPC, "full"), NO_SPACE, id="a full disk"),
        pytest.param(OSError(errno.EDQUOT, "quota"), NO_SPACE, id="a quota that is used up"),
        pytest.param(MemoryError(), RUN_FAILED, id="memory"),
        pytest.param(KeyboardInterrupt(), RUN_FAILED, id="what is no Exception"),
    ],
)
def test_what_is_raised_decides_the_reason(place: Place, error: BaseException, reason: str) -> None:
    def fail(_task: Task, _beat: Beat) -> Result:
        raise error

    place.give("m1")
    place.run(fail)
    assert place.result("m1").reason == reason


def test_a_result_waits_for_room_on_the_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []

    def replace_when_there_is_room(source: Any, target: Any, rename: Any = os.replace) -> None:
        if Path(target).parent.name == "results":
            tries.append((place.root / "current" / "w1").stat().st_mtime_ns)
            if len(tries) < 3:
                full()
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace_when_there_is_room)
    place.give("m1")
    place.run()
    assert len(tries) == 3
    assert tries[0] < tries[1] < tries[2], "it gives no sign of life while it waits"
    assert place.result("m1").reason == ""
    assert place.done == ["m1"]


def test_a_process_that_is_to_end_does_not_wait_for_room(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(task: Task, beat: Beat) -> Result:
        monkeypatch.setattr(os, "replace", full)
        place.ending.asked = True
        return place.do(task, beat)

    place.give("m1", "m2")
    place.run(end, idle_seconds=60)
    assert place.done == ["m1"]
    assert place.tasks == ["m1.json", "m2.json"]


def test_a_file_that_is_no_task_is_left_alone(place: Place) -> None:
    (place.root / "tasks" / "w1" / "a.json").write_text("[]")
    (place.root / "tasks" / "w1" / ".m0.json").write_text("[]")
    place.give("m1")
    place.run()
    assert place.done == ["m1"]
    assert place.tasks == [".m0.json", "a.json"]


def test_a_worker_without_tasks_ends_after_a_while(place: Place) -> None:
    began = time.monotonic()
    place.run(idle_seconds=0.05)
    assert time.monotonic() - began >= 0.05


def test_a_worker_whose_job_is_deleted_meanwhile_ends(place: Place) -> None:
    def delete(task: Task, beat: Beat) -> Result:
        (place.root / "results").rmdir()
        return place.do(task, beat)

    place.give("m1")
    place.run(delete, idle_seconds=60)
    assert place.done == ["m1"]

"""kill -9 of workers, of the control plane, of everything, at any moment: every row of a batch job comes out once."""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.batch_world import FILES, SIZE, Batch, Commits, expected, watched_commits
from support.running import a_platform, wait_until

from penstock.domain.job import JobState

SEED = 20_240_229
KILLS = ["worker"] * 43 + ["control plane"] * 4 + ["everything"] * 3
MINI_BATCHES = FILES // SIZE


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Generator[Batch]:
    folder = tmp_path_factory.mktemp("batch")
    with a_platform(folder / "home", environments=environments) as platform:
        yield Batch(platform, folder)


def test_fifty_kills_at_any_moment_and_every_row_comes_out_once(batch: Batch) -> None:
    chance = random.Random(SEED)
    kills = chance.sample(KILLS, len(KILLS))
    with watched_commits(batch.platform.home, "stormy") as commits:
        batch.begin("stormy")
        wait_until(lambda: commits.seen)
        for number, kind in enumerate(kills):
            # Not quite as far as the kills are, so that the job is not over before them on a quick machine either.
            ahead = len(commits.seen) / MINI_BATCHES > 0.8 * number / len(kills)
            batch.pace(0.5 if ahead or kind != "worker" else 0.05)
            time.sleep(chance.uniform(0.0, 0.3))
            kill(batch, "stormy", kind, chance)
        assert len(commits.seen) < MINI_BATCHES, "the job was over before the kills were"
        batch.pace(0.0)
        kill_who_finishes(batch, "stormy", chance)
        await_end(batch, "stormy")
    assert_once(batch, "stormy", commits)


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("mount") is None, reason="only root can mount a small disk")
def test_a_full_disk_delays_a_job_and_loses_nothing_even_if_all_is_killed_on_it(batch: Batch) -> None:
    with (
        a_small_disk(batch.platform.home / "jobs" / "full") as disk,
        watched_commits(batch.platform.home, "full") as commits,
    ):
        batch.pace(0.02)
        batch.begin("full")
        wait_until(lambda: len(commits.seen) > 20)
        fill(disk / "filler")
        wait_until(lambda: "space" in batch.job("full").status.message)
        batch.kill_everything()
        batch.platform.up()
        assert not ended(batch, "full")
        (disk / "filler").unlink()
        batch.pace(0.0)
        await_end(batch, "full")
        assert_once(batch, "full", commits)


@contextmanager
def a_small_disk(folder: Path) -> Generator[Path]:
    """Of 4 MiB, in memory."""
    folder.mkdir(mode=0o700, parents=True)
    options = "size=4m,mode=700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(path: Path) -> None:
    """Until there is no room for another page."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def kill(batch: Batch, job: str, kind: str, chance: random.Random) -> None:
    platform = batch.platform
    if kind == "worker":
        wait_until(lambda: batch.kill_worker(job, chance) or gone_on(batch, job) or ended(batch, job))
    elif kind == "control plane":
        platform.kill_control_plane()
        time.sleep(chance.uniform(0.0, 0.5))  # workers go on meanwhile
        platform.up()
    else:
        batch.kill_everything()
        platform.up()


def kill_who_finishes(batch: Batch, job: str, chance: random.Random) -> None:
    """Four times, as long as there is anybody."""
    tasks = batch.platform.home / "jobs" / job / "work" / "tasks"
    for kind in ("worker", "everything", "worker", "control plane"):
        wait_until(lambda: list(tasks.glob("*/z-finish.json")) or ended(batch, job))
        if ended(batch, job):
            return
        time.sleep(chance.uniform(0.0, 0.02))
        kill(batch, job, kind, chance)


def gone_on(batch: Batch, job: str) -> bool:
    """Too many workers that die before they are ready end a job as failed, which is not the end of it."""
    if batch.job(job).status.state is JobState.FAILED:
        batch.resume(job)
    return False


def ended(batch: Batch, job: str) -> bool:
    return batch.job(job).status.state.ended


def await_end(batch: Batch, job: str) -> None:
    wait_until(lambda: gone_on(batch, job) or ended(batch, job))


def assert_once(batch: Batch, job: str, commits: Commits) -> None:
    status = batch.job(job).status
    assert status.state is JobState.COMPLETED, status.message
    assert list(batch.output(job)) == list(expected(batch.data))
    assert commits.run_afterwards(batch.runs) == [], "what was committed was computed again"
    assert (status.progress.files_done, status.progress.files_failed) == (FILES, 0)
    assert status.progress.mini_batches_done == MINI_BATCHES

"""Long work on stderr: nothing for what is quick, news for what is not."""

import io

import pytest

from penstock.cli.progress import Meter, Progress, Wait


class Clock:
    def __init__(self) -> None:
        self.now, self.stream = 0.0, io.StringIO()

    def progress(self) -> Progress:
        return Progress(stream=self.stream, clock=lambda: self.now)

    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_is_waited_for_is_said_once_and_again_if_it_changes(clock: Clock) -> None:
    wait = Wait(clock.progress)
    for second, reason in enumerate(["a starts", "a starts; try again", "a starts", "a starts", "b is fetched"]):
        clock.now = float(second)
        wait(reason)
    assert clock.lines() == ["2.0s Waiting a starts", "4.0s Waiting b is fetched"]


def test_a_transfer_is_told_of_every_two_seconds(clock: Clock) -> None:
    meter = Meter("Upload", "model", clock.progress())
    for tenth in range(60):
        clock.now = tenth / 10
        meter(tenth * 10**6, 60 * 10**6)
    assert clock.lines() == ["2.0s Upload model: 20 of 60 MB", "4.0s Upload model: 40 of 60 MB"]


def test_a_transfer_of_little_that_takes_long_is_seen_to_move(clock: Clock) -> None:
    meter = Meter("Download", "scores", clock.progress())
    for second in range(6):
        clock.now = float(second)
        meter(second * 10**5, 27 * 10**5)
    assert clock.lines() == ["2.0s Download scores: 0.2 of 2.7 MB", "4.0s Download scores: 0.4 of 2.7 MB"]
